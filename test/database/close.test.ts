/** Closing while something is under way. */
import { join } from 'node:path'
import test from 'ava'
import { open } from '../../src/index.js'
import { temporaryFolder } from '../support/temporary-folder.js'

test('close waits for an explicit checkpoint that is under way', async (t) => {
  const db = await open(join(temporaryFolder(t), 'app.db'), { autoCheckpoint: 0 })
  const map = await db.map<number, string>('m', { key: 'integer', value: 'text' })
  await db.transaction((tx) => {
    for (let key = 0; key < 5000; key++) tx.put(map, key, 'x'.repeat(200))
  })
  const checkpoint = db.checkpoint()
  await db.close()
  const { busy, log, checkpointed } = await checkpoint
  t.is(busy, 0)
  t.is(checkpointed, log)
})
