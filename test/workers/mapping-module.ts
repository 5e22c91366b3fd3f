/** A module for `pool.run` that maps a file by koffi over and over. */

import type { Snapshot } from '../../src/index.js'
import { nodeVfs } from '../../src/vfs/index.js'

export interface MappingArgs {
  readonly path: string
  /** Counts the maps. */
  readonly made: Int32Array
}

export default function mapOften(_: Snapshot, { path, made }: MappingArgs): void {
  const file = nodeVfs({ mapProvider: 'koffi' }).open(path, {})
  // Far fewer than a process may have, also if none of them is unmapped.
  for (let i = 0; i < 20_000; i++) {
    file.map(0, file.size(), { writable: false })
    Atomics.add(made, 0, 1)
  }
}
