/** The private map page → frame (SNAP-3) against the simplest possible one. */
import test from 'ava'
import fc from 'fast-check'
import { type FrameNumber, frameNumber, type PageNumber, pageNumber } from '../../src/units.js'
import { FrameMap } from '../../src/wal/frame-map.js'
import type { WalIndex } from '../../src/wal/wal-index.js'

/** As much of a wal-index as the map asks for. */
function indexOf(pages: readonly number[]): WalIndex {
  return { pageOfFrame: (frame: FrameNumber) => pageNumber(pages[frame - 1]!) } as unknown as WalIndex
}

const somePage = fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 3000 }), fc.constant(0xfffffffe))

test('the map finds the newest frame of each page up to every end mark', (t) => {
  fc.assert(
    fc.property(
      fc.array(somePage, { minLength: 1, maxLength: 700 }),
      fc.nat(),
      fc.array(fc.nat(), { maxLength: 5 }),
      (pages, baseChoice, stops) => {
        const base = baseChoice % (pages.length + 1)
        const map = new FrameMap(frameNumber(base))
        const changed: number[] = []
        const ends = [...stops.map((stop) => base + (stop % (pages.length - base + 1))), pages.length]
        for (const end of ends.sort((a, b) => a - b)) {
          map.extend(indexOf(pages), frameNumber(end), (page: PageNumber) => changed.push(page))
        }
        const logged = pages.slice(base)
        t.deepEqual(changed, logged)
        t.is(map.size, new Set(logged).size)
        const visited: number[] = []
        map.forEachPage((page) => visited.push(page))
        t.deepEqual(visited.sort(), [...new Set(logged)].sort())
        for (const page of new Set([...pages, 99999])) {
          const expected = logged.lastIndexOf(page)
          t.is(Number(map.newest(pageNumber(page))), expected < 0 ? 0 : base + expected + 1)
        }
        for (let end = base; end <= pages.length; end += 1 + Math.floor(pages.length / 8)) {
          for (const page of new Set(pages)) {
            const expected = pages.slice(base, end).lastIndexOf(page)
            const found = map.newestUpTo(pageNumber(page), frameNumber(end))
            if (found !== (expected < 0 ? 0 : base + expected + 1)) {
              t.fail(`page ${page} up to ${end}: frame ${found} of base ${base}`)
            }
          }
        }
      },
    ),
    { numRuns: 60 },
  )
})

test('the map cannot be taken back to an earlier end mark', (t) => {
  const map = new FrameMap(frameNumber(0))
  map.extend(indexOf([1, 2]), frameNumber(2), () => {})
  t.throws(() => map.extend(indexOf([1, 2]), frameNumber(1), () => {}), { message: /cannot go back/ })
})

test('frames that are pushed can be popped again, and leave what was before', (t) => {
  fc.assert(
    fc.property(fc.array(fc.oneof(somePage, fc.constant(0)), { maxLength: 1500 }), (steps) => {
      const map = new FrameMap(frameNumber(3))
      const pages: number[] = []
      // 0 takes the last one back.
      for (const step of steps) {
        if (step !== 0) {
          pages.push(step)
          map.push(pageNumber(step))
        } else if (pages.length > 0) {
          map.pop(pageNumber(pages.pop()!))
        }
      }
      t.is(Number(map.endMark), 3 + pages.length)
      t.is(map.size, new Set(pages).size)
      for (const page of new Set(steps.filter((step) => step !== 0))) {
        const last = pages.lastIndexOf(page)
        t.is(Number(map.newest(pageNumber(page))), last < 0 ? 0 : 3 + last + 1)
      }
      const visited: number[] = []
      map.forEachPage((page) => visited.push(page))
      t.deepEqual(visited.sort(), [...new Set(pages)].sort())
    }),
    { numRuns: 60 },
  )
})
