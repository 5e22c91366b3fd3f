/**
 * The terminal on standard output, written to without ever waiting for it. One that is stopped (Ctrl-S, a connection that
 * stalls) takes nothing, and Node's own stream would stand still with it, in the middle of whatever the process is doing: the
 * writer process with WRITE held, so that nobody could commit any more. What a terminal does not take is dropped.
 *
 * For that it is opened once more: not waiting is a property of the open file, and the one that we were given is the shell's too.
 */
import { constants, openSync, writeSync } from 'node:fs'
import type { WriteStream } from 'node:tty'
import type { OutputStream } from './serve-output.js'

export class Terminal implements OutputStream {
  readonly #stream: WriteStream
  readonly #fd: number | null

  constructor(stream: WriteStream & { readonly fd: number }) {
    this.#stream = stream
    this.#fd = reopen(stream.fd)
  }

  get columns(): number {
    return this.#stream.columns
  }

  write(text: string): void {
    if (this.#fd === null) {
      this.#stream.write(text)
      return
    }
    try {
      writeSync(this.#fd, text)
    } catch {
      // It is stopped, or gone.
    }
  }
}

/** Null where that is not possible, as for a terminal of another user: then it is waited for after all. */
function reopen(fd: number): number | null {
  try {
    return openSync(`/dev/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch {
    return null
  }
}
