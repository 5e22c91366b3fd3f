/** Logs and wal-indexes after random commits, read by code that shares nothing with the engine (WAL-4, INDEX-2). */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { type Connection, connect } from '../support/connection.js'
import { type LogContents, readIndexFile, readLogFile } from '../support/independent-wal-reader.js'
import { Random, seededRandom } from '../support/random.js'
import { temporaryFolder } from '../support/temporary-folder.js'

/** Fills random pages, and keeps in `model` what each of the pages 2 and up is filled with. */
function commitSome(connection: Connection, model: number[], random: Random, pageMax: number): void {
  const value = random.between(1, 255)
  const pages = Array.from({ length: random.between(1, 9) }, () => random.between(2, pageMax))
  for (const page of pages) {
    // Pages that are jumped over are allocated as well, and stay zero.
    while (model.length < page - 1) model.push(0)
    model[page - 2] = value
  }
  connection.fillSync(pages, value, 'off')
}

/** What pages 2 and up hold, by main file and log alone. */
function contentsByFiles(path: string, log: LogContents | null): number[] {
  const main = readFileSync(path)
  const pageSize = log?.pageSize ?? 4096
  const pageCount = log === null || log.pageCount === 0 ? main.length / pageSize : log.pageCount
  const contents = Array.from({ length: pageCount - 1 }, (_, i) => main[(i + 1) * pageSize] ?? -1)
  for (const { page, image } of log?.frames ?? []) if (page > 1 && page <= pageCount) contents[page - 2] = image[0]!
  return contents
}

for (const pageSize of [512, 4096, 65536]) {
  test(`main file and log together hold every commit, with pages of ${pageSize} bytes`, (t) => {
    const random = seededRandom(t)
    const path = join(temporaryFolder(t), 'app.db')
    const connection = connect(path, { pageSize })
    const model: number[] = []
    for (let round = 0; round < 60; round++) {
      commitSome(connection, model, random, 40)
      if (random.below(6) === 0) connection.checkpointSync(random.pick(['passive', 'full', 'restart', 'truncate']))
      const log = readLogFile(`${path}-wal`)
      const index = readIndexFile(`${path}-shm`)
      t.true(index.isSound)
      t.deepEqual(connection.contents(), model)
      if (index.endMark === 0) continue
      t.deepEqual(contentsByFiles(path, log), model)
      t.is(log!.frames.length, index.endMark)
      t.is(log!.uncommittedCount, 0)
      t.deepEqual(index.salts, [log!.salt1, log!.salt2])
      t.is(index.pageCount, model.length + 1)
      for (let page = 1; page <= index.pageCount; page++) {
        t.is(index.frameOf(page, index.endMark), log!.frames.findLastIndex((frame) => frame.page === page) + 1)
      }
    }
    connection.close()
  })
}

test('frames beyond the first block of the wal-index are found by the hash as SQLite searches it', (t) => {
  const random = new Random(7)
  const path = join(temporaryFolder(t), 'app.db')
  const connection = connect(path, { pageSize: 512 })
  const model: number[] = []
  const all = Array.from({ length: 3000 }, (_, i) => i + 2)
  for (let value = 1; value <= 3; value++) connection.fillSync(all, value, 'off')
  model.push(...all.map(() => 3))
  for (let round = 0; round < 200; round++) commitSome(connection, model, random, 3001)
  const log = readLogFile(`${path}-wal`)!
  const index = readIndexFile(`${path}-shm`)
  t.true(index.endMark > 4062 + 4096)
  t.deepEqual(contentsByFiles(path, log), model)
  const newest = new Map(log.frames.map(({ page }, i) => [page, i + 1]))
  for (const [page, frame] of newest) {
    if (index.frameOf(page, index.endMark) !== frame) t.fail(`page ${page} is not found at frame ${frame}`)
  }
  // Restarted, the same blocks are filled again, over what the first generation left in them.
  connection.checkpointSync('restart')
  for (let round = 0; round < 300; round++) commitSome(connection, model, random, 3001)
  connection.fillSync(all, 9, 'off')
  model.splice(0, all.length, ...all.map(() => 9))
  for (let round = 0; round < 20; round++) commitSome(connection, model, random, 3001)
  const again = readLogFile(`${path}-wal`)!
  const indexAgain = readIndexFile(`${path}-shm`)
  t.is(again.frames.length, indexAgain.endMark)
  for (let page = 1; page <= indexAgain.pageCount; page++) {
    const frame = again.frames.findLastIndex((candidate) => candidate.page === page) + 1
    if (indexAgain.frameOf(page, indexAgain.endMark) !== frame) t.fail(`page ${page} is not found at frame ${frame}`)
  }
  connection.close()
})
