/** Errors that commits tell apart. */
import { EndmarkError } from '../errors.js'

/** The error of a blocking commit that would wait for something that needs the event loop. */
export function commitUnderWay(): EndmarkError {
  const message =
    'a commit or checkpoint of this Database is under way and cannot end while this one blocks: await it first'
  return new EndmarkError('ENDMARK_BUSY', message)
}

export function isLogFull(error: unknown): boolean {
  return error instanceof EndmarkError && error.code === 'ENDMARK_WAL_FULL'
}
