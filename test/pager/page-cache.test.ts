import test from 'ava'
import { Page } from '../../src/pager/page.js'
import { PageCache } from '../../src/pager/page-cache.js'
import { pageNumber } from '../../src/units.js'

const page = (number: number) => new Page(pageNumber(number), new Uint8Array(0), false)

test('the cache gives back what was put in, and nothing that was dropped', (t) => {
  const cache = new PageCache(1 << 20)
  const far = page(2 ** 32 - 2)
  cache.set(page(1))
  cache.set(far)
  t.is<number | undefined, number>(cache.get(pageNumber(1))?.number, 1)
  t.is(cache.get(far.number), far)
  t.is(cache.get(pageNumber(2)), undefined)
  cache.delete(pageNumber(1))
  cache.delete(pageNumber(1))
  cache.delete(pageNumber(77_777))
  t.is(cache.get(pageNumber(1)), undefined)
  const newer = page(2 ** 32 - 2)
  cache.set(newer)
  t.is(cache.get(far.number), newer)
})

test('the cache keeps to its limit by giving up what came first', (t) => {
  const cache = new PageCache(0)
  for (let number = 1; number <= 20_000; number++) cache.set(page(number))
  let kept = 0
  for (let number = 1; number <= 20_000; number++) if (cache.get(pageNumber(number)) !== undefined) kept++
  t.true(kept > 0 && kept <= 2048, `${kept} pages`)
  t.not(cache.get(pageNumber(20_000)), undefined)
  t.is(cache.get(pageNumber(1)), undefined)
})
