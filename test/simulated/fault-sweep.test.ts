/**
 * Whatever call on the system fails, once or for ever, or is cut short by a kill, costs nothing that was acknowledged (DUR-3); `fault-sweep.ts` says what is
 * looked at. ENDMARK_TEST_FULL=1 tries every call.
 */
import test from 'ava'
import { seededRandom } from '../support/random.js'
import { faultSweep, TROUBLES } from './fault-sweep.js'

const STRIDE = process.env.ENDMARK_TEST_FULL === '1' ? 1 : 4

for (const trouble of TROUBLES) {
  test(`a call that ${trouble} costs nothing that was acknowledged`, async (t) => {
    const count = await faultSweep(seededRandom(t), { trouble, stride: STRIDE })
    t.log(`${count} calls`)
    t.true(count > 15)
  })
}
