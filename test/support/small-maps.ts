/**
 * A vfs for tests that open small files thousands of times. The engine maps 64 MiB windows; each counts as memory of that
 * size for the garbage collector, which then runs at almost every open. Here a map has 1 MiB at most.
 */
import type { OpenFileOptions, Vfs, VfsFile } from '../../src/vfs/index.js'

const MAP_SIZE_MAX = 1 << 20

/** @param opened gets every file opened, for ending all of them at once */
export function smallMaps(vfs: Vfs, opened: VfsFile[] = []): Vfs {
  const open = (path: string, options: OpenFileOptions): VfsFile => {
    const file = vfs.open(path, options)
    const map = file.map.bind(file)
    file.map = (offset, length, access) => map(offset, Math.min(length, MAP_SIZE_MAX), access)
    opened.push(file)
    return file
  }
  return new Proxy(vfs, {
    get: (target, name) => (name === 'open' ? open : Reflect.get(target, name).bind(target)),
  })
}
