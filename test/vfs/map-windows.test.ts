/** Windows over a growing file: MAP-1, the length is asked for before a byte past the known one is touched. */
import test from 'ava'
import { MapWindows, type VfsFile } from '../../src/vfs/index.js'

const WINDOW = 2 ** 26

/** A file of zeros that counts how often its length is asked for and which windows are mapped. */
function fileOfSize(size: number) {
  const file = {
    path: 'app.db',
    length: size,
    asked: 0,
    mapped: [] as number[],
    size() {
      file.asked++
      return file.length
    },
    map(fileOffset: number, length: number) {
      file.mapped.push(fileOffset)
      return new Uint8Array(length)
    },
  }
  return { file, windows: new MapWindows(file as unknown as VfsFile) }
}

test('the length is asked for only when a view needs more than is known', (t) => {
  const { file, windows } = fileOfSize(8192)
  t.is(windows.view(0, 4096)?.length, 4096)
  t.is(windows.view(4096, 4096)?.length, 4096)
  t.is(file.asked, 1)
  t.is(windows.view(8192, 1), null)
  t.is(file.asked, 2)
  file.length = 8193
  t.is(windows.view(8192, 1)?.length, 1)
  t.is(windows.view(8192, 2), null)
})

test('a file that may have become shorter is asked for its length again', (t) => {
  const { file, windows } = fileOfSize(8192)
  t.not(windows.view(4096, 4096), null)
  file.length = 4096
  windows.forgetSize()
  t.is(windows.view(4096, 4096), null)
  t.not(windows.view(0, 4096), null)
  file.length = 100
  t.is(windows.size(), 100)
  t.is(windows.view(0, 4096), null)
})

test('each window is mapped once, when it is first needed, and holds what begins in it', (t) => {
  const { file, windows } = fileOfSize(5 * WINDOW)
  t.is(windows.view(3 * WINDOW - 100, 65_560)?.length, 65_560, 'a frame across the end of a window')
  t.is(windows.view(3 * WINDOW - 8192, 4096)?.byteOffset, WINDOW - 8192)
  t.is(windows.view(3 * WINDOW, 4096)?.byteOffset, 0)
  t.deepEqual(file.mapped, [2 * WINDOW, 3 * WINDOW])
})

test('a small file has a small window, which is made again when the file outgrows it', (t) => {
  const { file, windows } = fileOfSize(8192)
  const first = windows.view(0, 4096)!
  t.is(first.buffer.byteLength, 2 ** 20)
  file.length = 2 ** 20 + 4096
  t.is(windows.view(2 ** 20, 4096)?.buffer.byteLength, 2 ** 21)
  t.is(windows.view(0, 4096)?.buffer.byteLength, 2 ** 21)
  t.is(first.length, 4096)
  file.length = WINDOW + 4096
  t.is(windows.view(WINDOW - 4096, 8192)?.length, 8192, 'across the end of the window')
  t.is(windows.view(WINDOW - 4096, 4096)?.buffer.byteLength, WINDOW + 2 ** 17)
})
