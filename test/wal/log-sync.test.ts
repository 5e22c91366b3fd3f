/**
 * The log of one connection is synced by commits and, meanwhile, by its checkpoint. Each must be told of a failed write-back, though a
 * descriptor is told only once (DUR-3). Found by a random schedule.
 */
import test from 'ava'
import { SimulatedDisk } from '../../src/vfs/simulated-disk.js'
import { SimulatedMachine } from '../../src/vfs/simulated-machine.js'
import { SimulatedVfs } from '../../src/vfs/simulated-vfs.js'
import { runSync } from '../../src/wal/index.js'
import { connect } from '../support/connection.js'
import { Random } from '../support/random.js'

for (const first of ['commit', 'checkpoint'] as const) {
  test(`commit and checkpoint are both told of a sync that failed for somebody else, the ${first} first`, async (t) => {
    const machine = new SimulatedMachine(new SimulatedDisk(), new Random(1))
    const [one, two] = [new SimulatedVfs(machine), new SimulatedVfs(machine)]
    const [connection, other] = [connect('/app.db', { vfs: one }), connect('/app.db', { vfs: two })]
    connection.fillSync([2, 3], 1)
    machine.hook = ({ when, operation, path, process }) =>
      process === two && when === 'before' && operation === 'datasync' && path.endsWith('-wal')
        ? { code: 'EIO' }
        : undefined
    t.throws(() => other.fillSync([3], 2), { code: 'ENDMARK_IO' })
    machine.hook = () => undefined
    const { log } = connection.wal
    for (const forCheckpoint of first === 'commit' ? [false, true] : [true, false]) {
      t.throws(() => runSync(log.sync({ syncInline: false, forCheckpoint })), { code: 'ENDMARK_IO' })
    }
  })
}
