/** The simulated locks answer as the kernel's do, whatever is asked of them. */
import { join } from 'node:path'
import test from 'ava'
import { nodeVfs, type VfsFile } from '../../src/vfs/index.js'
import { SimulatedDisk } from '../../src/vfs/simulated-disk.js'
import { SimulatedMachine } from '../../src/vfs/simulated-machine.js'
import { SimulatedVfs } from '../../src/vfs/simulated-vfs.js'
import { Random, seededRandom } from '../support/random.js'
import { temporaryFolder } from '../support/temporary-folder.js'

const DESCRIPTIONS = 3
const CALLS = 3000
const BYTES = 8

test('random calls on several descriptions have the same outcome as with the kernel', (t) => {
  const random = seededRandom(t)
  const real = nodeVfs()
  const simulated = new SimulatedVfs(new SimulatedMachine(new SimulatedDisk(), new Random(1)))
  const path = join(temporaryFolder(t), 'locked')
  const open = () => [real.open(path, { create: true }), simulated.open('/locked', { create: true })] as const
  const pairs: (readonly [VfsFile, VfsFile])[] = Array.from({ length: DESCRIPTIONS }, open)
  const outcomes = new Set<string>()
  for (let call = 0; call < CALLS; call++) {
    const at = random.below(DESCRIPTIONS)
    const pair = pairs[at]!
    const offset = random.below(BYTES)
    const length = random.below(4)
    const what = random.pick(['shared', 'shared', 'exclusive', 'unlock', 'unlock', 'close'] as const)
    if (what === 'close' && random.below(10) === 0) {
      for (const file of pair) file.close()
      pairs[at] = open()
    } else if (what === 'unlock') {
      for (const file of pair) file.unlock(offset, length)
    } else if (what !== 'close') {
      const [expected, found] = pair.map((file) => file.tryLock(offset, length, what))
      t.is(found, expected, `call ${call}: ${what} lock of ${length} bytes at ${offset} through description ${at}`)
      outcomes.add(`${what} ${found}`)
    }
  }
  t.is(outcomes.size, 4, 'all kinds of outcome were seen')
  for (const pair of pairs) for (const file of pair) file.close()
})
