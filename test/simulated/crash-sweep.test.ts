/**
 * The power is cut before every call that changes the disk, while a scripted workload runs, and several damages of each
 * such moment are recovered from (WAL-2, WAL-3, WAL-5, DUR-1, DUR-2). `crash-sweep.ts` says what must be there.
 * ENDMARK_TEST_FULL=1 tries more damages.
 */
import test from 'ava'
import { seededRandom } from '../support/random.js'
import { assertRecovers, CrashCollector } from './crash-image.js'
import { crashSweep } from './crash-sweep.js'
import { contentsOf, openSimulated, startProcess } from './simulated-database.js'
import { WrittenOut } from './written-out.js'

const IS_FULL = process.env.ENDMARK_TEST_FULL === '1'
const DAMAGES = IS_FULL ? 40 : 5
const MODES = ['full', 'normal'] as const

for (const synchronous of MODES) {
  test(`mode ${synchronous}: what may be relied on is there whenever the power is cut`, async (t) => {
    const random = seededRandom(t)
    let images = 0
    const { points, overwrites } = await crashSweep(
      random,
      { synchronous, damages: DAMAGES },
      async (image, isAllowed) => {
        await assertRecovers(image, isAllowed, random)
        images++
      },
    )
    t.log(`${points} points, ${images} images; ${overwrites} frames were overwritten`)
    t.true(points > 80)
    t.true(overwrites > 5)
  })
}

test('the power is cut again while the database is being recovered', async (t) => {
  const random = seededRandom(t)
  let count = 0
  let second = 0
  await crashSweep(random, { synchronous: 'full', damages: 1 }, async (image, isAllowed) => {
    if (count++ % 8 !== 0 && !IS_FULL) return
    const collector = new CrashCollector(image.disk, random, 1)
    const contents = await assertRecovers(image, isAllowed, random, collector.hook)
    const after = contents === '' ? [] : [`${contents}\n`]
    const mayHold = (found: string) => found === contents || `${found}\n`.startsWith(`${after[0] ?? ''}after: `)
    for (const again of collector.take()) {
      await assertRecovers({ ...again, at: `${image.at}, then ${again.at}` }, mayHold, random)
      second++
    }
  })
  t.log(`${second} images of recoveries that were cut short`)
  t.true(second > 100)
})

for (const synchronous of MODES) {
  test(`mode ${synchronous}: SQLite finds every database whole, as a power loss has left it and after our own recovery`, async (t) => {
    const random = seededRandom(t)
    const written = new WrittenOut(t)
    await crashSweep(random, { synchronous, damages: IS_FULL ? DAMAGES : 1 }, async ({ disk, at }, isAllowed) => {
      await written.add(disk, at, isAllowed)
      const db = openSimulated(startProcess(disk, random.next32()))
      const recovered = await contentsOf(db)
      await db.close()
      await written.add(disk, `${at}, recovered and closed`, (contents) => contents === recovered)
    })
    await written.judge()
    t.log(`${written.count} databases`)
    t.true(written.count > 100)
  })
}
