/** A Database in a folder of its own, closed and removed when the test ends. */
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { type Database, EndmarkError, type ErrorCode, type OpenOptions, open } from '../../src/index.js'
import { temporaryFolder } from './temporary-folder.js'

export function temporaryPath(t: ExecutionContext<unknown>, name = 'test.db'): string {
  return join(temporaryFolder(t), name)
}

export async function openDatabase(
  t: ExecutionContext<unknown>,
  path: string = temporaryPath(t),
  options: OpenOptions = {},
): Promise<Database> {
  const db = await open(path, options)
  t.teardown(() => db.close().catch(() => {}))
  return db
}

/** Asserts that `call` rejects with this code and that the message matches. @returns the error */
export async function rejects(
  t: ExecutionContext<unknown>,
  call: Promise<unknown> | (() => Promise<unknown>),
  code: ErrorCode,
  message: RegExp = /./,
): Promise<EndmarkError> {
  const promise = typeof call === 'function' ? call() : call
  const error = await t.throwsAsync(promise, { instanceOf: EndmarkError, message })
  t.is(error?.code, code)
  return error
}

/** The same for a call that throws. */
export function throws(
  t: ExecutionContext<unknown>,
  call: () => unknown,
  code: ErrorCode,
  message: RegExp = /./,
): EndmarkError {
  const error = t.throws(call, { instanceOf: EndmarkError, message })
  t.is(error?.code, code)
  return error
}
