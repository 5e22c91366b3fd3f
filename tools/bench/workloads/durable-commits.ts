/**
 * One-row durable commits: P processes, each with O commits that wait at the same time, replace values at uniform random keys. Rounds
 * of the stores alternate, so that a slow moment of the machine does not fall on one of them.
 */
import type { Contender } from '../contenders.js'
import type { Databases } from '../databases.js'
import type { ClientResult } from '../messages.js'
import type { BenchOptions, Case } from '../options.js'
import { figuresOf, type RoundFigures, runRound, summaryOf } from '../round.js'
import { withWriterProcess } from '../writer-process.js'

export interface CaseFigures {
  readonly case: string
  readonly contenders: readonly ContenderFigures[]
}

export interface ContenderFigures extends RoundFigures {
  readonly name: string
  readonly rounds: readonly RoundFigures[]
}

export async function durableCommits(
  options: BenchOptions,
  databases: Databases,
  progress: (text: string) => void,
): Promise<CaseFigures[]> {
  const figures: CaseFigures[] = []
  for (const { processes, outstanding } of options.cases) {
    const name = `${processes} x ${outstanding}`
    const rounds = new Map(options.contenders.map((contender) => [contender, [] as RoundFigures[]]))
    for (let round = 1; round <= options.rounds; round++) {
      for (const [contender, done] of rounds) {
        progress(`${name}, round ${round} of ${options.rounds}: ${contender.name}`)
        done.push(figuresOf(await oneRound(contender, { processes, outstanding }, options, databases)))
      }
    }
    const contenders = [...rounds].map(([{ name }, done]) => ({ name, ...summaryOf(done), rounds: done }))
    figures.push({ case: name, contenders })
  }
  return figures
}

async function oneRound(
  contender: Contender,
  { processes, outstanding }: Case,
  { rowCount, warmUpSeconds, seconds }: BenchOptions,
  databases: Databases,
): Promise<ClientResult[]> {
  const path = await databases.pathFor(contender)
  const starts = Array.from({ length: processes }, (_, seed) => ({
    peer: contender.peer,
    path,
    rowCount,
    outstanding,
    seed,
  }))
  const round = () => runRound(starts, warmUpSeconds, seconds)
  return contender.isServed ? withWriterProcess(path, round) : round()
}
