/**
 * Whatever call on the system fails, once or for ever, costs nothing that was acknowledged (DUR-3); `fault-sweep.ts` says what is
 * looked at. ENDMARK_TEST_FULL=1 tries every call.
 */
import test from 'ava'
import { seededRandom } from '../support/random.js'
import { faultSweep } from './fault-sweep.js'

const STRIDE = process.env.ENDMARK_TEST_FULL === '1' ? 1 : 4

for (const andLater of [false, true]) {
  test(`a call that fails ${andLater ? 'for ever' : 'once'} costs nothing that was acknowledged`, async (t) => {
    const count = await faultSweep(seededRandom(t), { andLater, stride: STRIDE })
    t.log(`${count} fault points`)
    t.true(count > 15)
  })
}
