/**
 * Errors of the operating system: reading the code off one that Node threw, and making one of Node's shape
 * for native calls that report only a number.
 */
import { getSystemErrorName } from 'node:util'

/** The code such as 'ENOENT', or undefined if the error does not come from the system. */
export function errorCode(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | null | undefined)?.code
}

/** @param number `errno`, positive as the C library has it */
export function systemError(call: string, number: number): NodeJS.ErrnoException {
  const code = getSystemErrorName(-number)
  return Object.assign(new Error(`${code}: ${call}`), { code, errno: -number, syscall: call })
}
