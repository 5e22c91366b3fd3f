/** The name of a committed state: the part of its wal-index header that no other state of the file has. */
import type { IndexHeader } from '../wal/index.js'
import type { StateId } from './request.js'

export function stateIdOf({ salt1, salt2, endMark, frameChecksum1, frameChecksum2 }: IndexHeader): StateId {
  return [salt1, salt2, endMark, frameChecksum1, frameChecksum2]
}

/** Whether the header is that of this state. */
export function isState(header: IndexHeader, id: StateId): boolean {
  return (
    header.endMark === id[2] &&
    header.frameChecksum1 === id[3] &&
    header.frameChecksum2 === id[4] &&
    header.salt1 === id[0] &&
    header.salt2 === id[1]
  )
}
