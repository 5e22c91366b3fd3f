/**
 * What a database must hold while processes commit, die and lose power: the committed states in their order, each as
 * text, and the ones in doubt, whose writers have not come to their end. States are all different.
 *
 * A state in doubt becomes one of the chain when somebody sees it, or its commit is acknowledged; when another commit
 * is acknowledged instead, nobody sees it any more; but as long as that other one is not durable, a power loss may take
 * it away and bring to light, in its place, the frames of a writer that had died before.
 *
 * A state may be made of one that is itself in doubt, by a batch that is prepared behind another (TXN-8): they join the chain in
 * this order, and where the first one does not, neither does the second.
 */
import type { Synchronous } from '../../src/units.js'

interface InDoubt {
  readonly state: string
  /** What it was made of: the newest state, or another one in doubt. */
  readonly base: string
  readonly isDurable: boolean
  /** Whether its writer has died. */
  readonly isOrphan: () => boolean
}

/** A commit under way. */
export interface BegunCommit {
  readonly synchronous: Synchronous
  /** Whether its writer has died. */
  readonly isOrphan: () => boolean
  /** The state in doubt that it was made of; the newest if not given. */
  readonly base?: string
}

/** States that only a power loss can bring to light, made one of the other, the first one of the state at `base`. */
interface Overwritten {
  readonly path: readonly string[]
  readonly base: number
}

export class CommitModel {
  #chain: string[]
  /** What a state was made of stands before it. */
  #inDoubt: InDoubt[] = []
  /** Of dead writers, or of failed syncs, that a later commit has taken the place of. */
  #overwritten: Overwritten[] = []
  /** The first state of the chain that a power loss may leave. */
  #durable = 0

  constructor(first: string) {
    this.#chain = [first]
  }

  /** The newest state known; what is observed from now on is this one or a later one. */
  get newest(): number {
    return this.#chain.length - 1
  }

  /** The commit under way will make this of the newest state, or of one in doubt. @requires WRITE */
  begin(state: string, { synchronous, isOrphan, base = this.#last }: BegunCommit): void {
    this.#inDoubt.push({ state, base, isDurable: synchronous === 'full', isOrphan })
  }

  acknowledge(state: string, synchronous: Synchronous): void {
    // Others may have seen it, and gone on from there, before its writer comes to say so.
    this.observe(state, 0)
    if (synchronous === 'full') this.#durable = Math.max(this.#durable, this.#chain.lastIndexOf(state))
  }

  /**
   * The commit has failed, and with it those made of its state: only a power loss may still bring them to light (DUR-3).
   * @throws if somebody has seen it
   */
  reject(state: string): void {
    if (this.#chain.includes(state)) throw new Error(`${this.#describe(state)} was rejected`)
    const gone = this.#inDoubt.filter((inDoubt) => this.#pathTo(inDoubt.state)?.some((step) => step.state === state))
    for (const { state: other } of gone) this.#overwrite(other)
    this.#inDoubt = this.#inDoubt.filter((inDoubt) => !gone.includes(inDoubt))
  }

  /** @throws unless this is a committed state that is not older than `since` */
  observe(state: string, since: number): void {
    if (this.#chain.lastIndexOf(state) >= since || this.#adopt(state)) return
    throw new Error(`${this.#describe(state)} was seen where at least state ${since} of ${this.newest} must be`)
  }

  /** The state that was committed next after this one, if one was. */
  after(state: string): string | undefined {
    return this.#chain[this.#chain.lastIndexOf(state) + 1]
  }

  /** @throws unless a power loss may leave this state */
  assertRecoverable(state: string): void {
    const isInDoubt = this.#inDoubt.some((inDoubt) => inDoubt.state === state)
    if (isInDoubt || this.#chain.lastIndexOf(state) >= this.#durable || this.#findOverwritten(state) !== undefined)
      return
    throw new Error(`${this.#describe(state)} was recovered where at least state ${this.#durable} must be`)
  }

  /** This state was found after a power loss; the states after it are gone. */
  recovered(state: string): void {
    this.assertRecoverable(state)
    const index = this.#chain.lastIndexOf(state)
    if (index < 0) {
      const inDoubt = this.#pathTo(state)?.map((step) => step.state)
      const { path, base } = this.#findOverwritten(state) ?? { path: inDoubt!, base: this.newest }
      this.#chain.length = base + 1
      this.#chain.push(...path)
    } else {
      this.#chain.length = index + 1
    }
    this.#inDoubt = []
    this.#overwritten = []
    this.#durable = this.newest
  }

  get #last(): string {
    return this.#chain.at(-1)!
  }

  #findOverwritten(state: string): Overwritten | undefined {
    return this.#overwritten.find(({ path, base }) => path.at(-1) === state && base >= this.#durable)
  }

  #overwrite(state: string): void {
    const path = this.#pathTo(state)!.map((step) => step.state)
    this.#overwritten.push({ path, base: this.newest })
  }

  /** The states in doubt from the newest one to this. */
  #pathTo(state: string): readonly InDoubt[] | null {
    const found = this.#inDoubt.find((inDoubt) => inDoubt.state === state)
    if (found === undefined) return null
    if (found.base === this.#last) return [found]
    const before = this.#pathTo(found.base)
    return before === null ? null : [...before, found]
  }

  #adopt(state: string): boolean {
    if (this.#last === state) return true
    const path = this.#pathTo(state)
    if (path === null) return false
    for (const step of path) this.#adoptNext(step)
    return true
  }

  /** A state in doubt that was made of the newest one becomes that. */
  #adoptNext(next: InDoubt): void {
    const [goOn, end] = [[] as InDoubt[], [] as InDoubt[]]
    for (const other of this.#inDoubt) {
      if (other === next) continue
      if (this.#pathTo(other.state)!.includes(next)) goOn.push(other)
      else end.push(other)
    }
    for (const other of end) this.#overwrite(other.state)
    this.#chain.push(next.state)
    this.#inDoubt = goOn
    // What a living writer shows is as durable as its mode asks (TXN-3). Of a dead one, a recovery shows what it finds.
    if (next.isDurable && !next.isOrphan()) this.#durable = this.newest
  }

  #describe(state: string): string {
    const index = this.#chain.lastIndexOf(state)
    return index < 0 ? `what never was a state (${state})` : `state ${index}`
  }
}
