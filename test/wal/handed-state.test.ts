/**
 * SNAP-7: a state that was handed over is that state, for as long as its taker holds it, or is not to be had: whatever
 * commits, checkpoints and restarts of the log come between any two steps, and whenever the giver lets go.
 */
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { nodeVfs } from '../../src/vfs/index.js'
import { type Connection, connect, contentsOf } from '../support/connection.js'
import { HookedVfs } from '../support/hooked-vfs.js'
import { smallMaps } from '../support/small-maps.js'
import { temporaryFolder } from '../support/temporary-folder.js'

function setUp(t: ExecutionContext) {
  const path = join(temporaryFolder(t), 'app.db')
  const opened: Connection[] = []
  t.teardown(() => {
    for (const connection of opened) connection.vanish()
  })
  return (vfs = smallMaps(nodeVfs())): Connection => {
    const connection = connect(path, { vfs, pageSize: 1024, timeoutMs: 200 })
    opened.push(connection)
    return connection
  }
}

/** How the state came to be where it is. */
const PLACES: Record<string, (writer: Connection) => void> = {
  'in the log': () => {},
  'in the main file': (writer) => void writer.checkpointSync('full'),
  'at the start of a new generation of the log': (writer) => void writer.checkpointSync('truncate'),
}

function intrude(other: Connection, value: number): void {
  other.checkpointSync('full')
  other.fillSync([2, 3], value, 'off')
  other.checkpointSync()
  other.fillSync([4, 6], value + 1, 'off')
}

for (const [place, bring] of Object.entries(PLACES)) {
  test(`a state ${place} is taken over while it is held, whatever others do at any step`, (t) => {
    let steps = 1
    for (let step = 0; step <= steps; step++) {
      const open = setUp(t)
      const [giver, other] = [open(), open()]
      giver.fillSync([2, 3, 4, 5], 1, 'off')
      bring(giver)
      const given = giver.pager.acquire()
      const contents = contentsOf(given)
      if (step % 2 === 1) intrude(other, 20)
      const hooked = new HookedVfs(smallMaps(nodeVfs()))
      const taker = open(hooked)
      let seen = 0
      hooked.hook = () => {
        if (seen++ === step) intrude(other, 30)
      }
      const taken = taker.pager.takeOver(given.snapshot.handOver())
      hooked.hook = () => {}
      steps = Math.max(steps, seen)
      t.not(taken, null)
      t.deepEqual(contentsOf(taken!), contents)
      giver.pager.release(given)
      intrude(other, 40)
      t.deepEqual(contentsOf(taken!), contents)
      taker.pager.release(taken!)
      t.false(other.checkpointSync('truncate').busy, 'nothing is left locked')
    }
    t.true(steps >= 2, `${steps} steps`)
  })

  test(`a state ${place} is not taken over from a giver that has let it go, at whatever step`, (t) => {
    let steps = 1
    let refused = 0
    for (let step = 0; step <= steps; step++) {
      const open = setUp(t)
      const [giver, other] = [open(), open()]
      giver.fillSync([2, 3, 4, 5], 1, 'off')
      bring(giver)
      const given = giver.pager.acquire()
      const contents = contentsOf(given)
      const hooked = new HookedVfs(smallMaps(nodeVfs()))
      const taker = open(hooked)
      let seen = 0
      hooked.hook = () => {
        if (seen++ !== step) return
        giver.pager.release(given)
        intrude(other, 30)
      }
      const taken = taker.pager.takeOver(given.snapshot.handOver())
      hooked.hook = () => {}
      steps = Math.max(steps, seen)
      if (taken === null) refused++
      else t.deepEqual(contentsOf(taken), contents)
      if (taken !== null) taker.pager.release(taken)
      if (given.snapshot.isHeld) giver.pager.release(given)
      t.false(other.checkpointSync('truncate').busy, 'nothing is left locked')
    }
    // Before the lock, and between the lock and the look at the giver's word.
    t.true(refused >= 2, `${refused} of ${steps} steps`)
  })
}

test('whoever has the newest state himself shares it', (t) => {
  const open = setUp(t)
  const [giver, taker] = [open(), open()]
  giver.fillSync([2, 3], 1, 'off')
  const given = giver.pager.acquire()
  const own = taker.pager.acquire()
  t.true(own.snapshot.isStateOf(given.snapshot.handOver()))
  t.is(taker.pager.takeOver(given.snapshot.handOver()), own)
  taker.pager.release(own)
  taker.pager.release(own)
  giver.fillSync([2], 2, 'off')
  t.false(taker.pager.acquire().snapshot.isStateOf(given.snapshot.handOver()))
  giver.pager.release(given)
})
