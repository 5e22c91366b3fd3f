/** Requests that wait for their answers hold what a plain list holds, however many there are and wherever their numbers begin. */
import test from 'ava'
import type { PendingCommit } from '../../src/txn/pending-commit.js'
import { SentCommits } from '../../src/txn/sent-commits.js'
import { seededRandom } from '../support/random.js'

const commitOf = (ticket: number) => ({ ticket }) as PendingCommit

test('what is added, answered, taken back and lost is what a plain list says', (t) => {
  const random = seededRandom(t)
  const sent = new SentCommits()
  let list: { number: number; commit: PendingCommit }[] = []
  let lastNumber = 0
  for (let step = 0; step < 20_000; step++) {
    const kind = random.below(100)
    // Now and then they become more, now and then fewer.
    if (kind < (step % 4000 < 2000 ? 70 : 30)) {
      const commit = commitOf(random.below(30) === 0 ? random.below(step + 1) : step)
      sent.add(++lastNumber, commit)
      list.push({ number: lastNumber, commit })
    } else if (kind < 97) {
      const first = list.shift()
      t.is(sent.first, first?.commit ?? null)
      t.is(sent.takeFirst((first?.number ?? lastNumber + 1) + 1), null, 'not the next one')
      if (first !== undefined) t.is(sent.takeFirst(first.number), first.commit)
    } else if (kind < 99 && list.length > 0) {
      sent.dropLast()
      list.pop()
      lastNumber--
    } else if (kind === 99 && random.below(20) === 0) {
      t.deepEqual(
        sent.takeAll(),
        list.map(({ commit }) => commit),
      )
      list = []
      // Numbers go on from anywhere when there is none left.
      lastNumber += random.below(3)
    }
    t.is(sent.size, list.length)
    const asked = random.pick(list)
    if (asked !== undefined) t.is(sent.get(asked.number), asked.commit)
    t.is(sent.get(lastNumber + 1), null)
    const ticket = random.below(step + 2)
    t.is(sent.lastNumberBefore(ticket), list.findLast(({ commit }) => commit.ticket < ticket)?.number ?? 0)
  }
})

test('who asks for each of its functions what was called before does not look at all that was sent', (t) => {
  const sent = new SentCommits()
  let looks = 0
  for (let number = 1; number <= 3000; number++) {
    sent.add(number, {
      get ticket() {
        looks++
        return number
      },
    } as PendingCommit)
    t.is(sent.lastNumberBefore(number + 1), number)
  }
  t.true(looks <= 3000, `${looks} looks`)
})
