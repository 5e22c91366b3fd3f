/** A Database over a vfs that the test controls: it commits, reads and locks as with any other. */
import type { ExecutionContext } from 'ava'
import { Database } from '../../src/database.js'
import { type OpenOptions, resolveOptions } from '../../src/options.js'
import { nodeVfs, type Vfs } from '../../src/vfs/index.js'
import { attach, runAsync } from '../../src/wal/index.js'
import { HookedVfs } from './hooked-vfs.js'

/** Whoever opens it closes it. */
export async function openOver(vfs: Vfs, path: string, given: OpenOptions = {}): Promise<Database> {
  const options = resolveOptions(given)
  const { create, readOnly, pageSize, timeout: timeoutMs } = options
  return new Database(await runAsync(attach(path, { vfs, create, readOnly, pageSize, timeoutMs })), options)
}

/** Closed when the test ends, without the hook that it has left. */
export async function openHooked(
  t: ExecutionContext<unknown>,
  path: string,
  given: OpenOptions = {},
): Promise<{ readonly vfs: HookedVfs; readonly db: Database }> {
  const vfs = new HookedVfs(nodeVfs())
  const db = await openOver(vfs, path, given)
  t.teardown(() => {
    vfs.hook = () => {}
    return db.close().catch(() => {})
  })
  return { vfs, db }
}
