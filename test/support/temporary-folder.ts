/** A folder of its own for one test, removed with all its contents when the test ends. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'

export function temporaryFolder(t: ExecutionContext<unknown>): string {
  const folder = mkdtempSync(join(tmpdir(), 'endmark-test-'))
  // A writer process that nobody needs any more may still be putting its files away.
  t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }))
  return folder
}
