/**
 * Assertions about this code, never about files or arguments: a failure means Endmark itself is wrong, and
 * stopping is safer than going on. They stay on in production, so keep them cheap and put the values into
 * the message through a function where building it costs something.
 */

export class AssertionError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'AssertionError'
  }
}

export function assert(condition: unknown, message: string | (() => string)): asserts condition {
  if (!condition) throw new AssertionError(typeof message === 'string' ? message : message())
}
