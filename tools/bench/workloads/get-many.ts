/** `getMany` of 64 keys, and what stands for it where a store has none. */
import { readCase, readersOf, readTime, type Workload, withReaders } from '../bench.js'

const KEYS_PER_CALL = 64

export const getManyWorkload: Workload = {
  name: 'get-many',
  title: 'Many keys at once',
  about:
    'One process reads 64 random keys per call; the figure counts keys. Stores without a synchronous call for many keys are asked for ' +
    'one after the other; `getMany` of classic-level is asynchronous.',

  async run(bench) {
    const { rowCount } = bench.options
    const parameters = { ...readTime(bench), rowCount, seed: 1, keysPerCall: KEYS_PER_CALL }
    const rows = await withReaders(bench, readersOf(bench), { rowCount }, (readers) =>
      readCase(bench, { case: `${KEYS_PER_CALL} keys`, rowCount }, readers, async (agent) => ({
        perSecond: await agent.run('getMany', parameters),
      })),
    )
    return { rows }
  },
}
