/** Goes over so many rows from random keys on, in either direction. */
import type { Scanned } from '../peers/peer.js'
import { KEY_SIZE_BYTES, RandomKeys, VALUE_SIZE_BYTES } from '../rows.js'
import type { Subject } from './task.js'
import { type LoopTime, rateOf } from './timing.js'

export interface RangeScans extends LoopTime {
  readonly rowCount: number
  readonly seed: number
  readonly direction: 'forward' | 'backward'
  readonly rowsPerScan: number
}

/** @returns rows per second */
export async function rangeScans({ connection }: Subject, parameters: RangeScans): Promise<number> {
  const { rowCount, seed, direction, rowsPerScan } = parameters
  const random = new RandomKeys(rowCount, seed)
  // Calls of the same method keep their place in the compiled code.
  const scan =
    direction === 'forward'
      ? (start: string) => connection.scanForward(start, rowsPerScan)
      : (start: string) => connection.scanBackward(start, rowsPerScan)
  const check = ({ rows, bytes }: Scanned): number => {
    const toEnd = direction === 'forward' ? rowCount - random.row : random.row + 1
    const isRight = rows === Math.min(rowsPerScan, toEnd) && bytes === rows * (KEY_SIZE_BYTES + VALUE_SIZE_BYTES)
    if (!isRight) throw new Error(`a scan ${direction} from row ${random.row} has found ${rows} rows, ${bytes} bytes`)
    return rows
  }
  return rateOf(() => {
    const scanned = scan(random.next())
    return scanned instanceof Promise ? scanned.then(check) : check(scanned)
  }, parameters)
}
