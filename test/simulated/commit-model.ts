/**
 * What a database must hold while processes commit, die and lose power: the committed states in their order, each as
 * text, and the ones in doubt, whose writers have not come to their end. States are all different.
 *
 * A state in doubt becomes one of the chain when somebody sees it, or its commit is acknowledged; when another commit
 * is acknowledged instead, nobody sees it any more; but as long as that other one is not durable, a power loss may take
 * it away and bring to light, in its place, the frames of a writer that had died before.
 */
import type { Synchronous } from '../../src/units.js'

interface InDoubt {
  readonly state: string
  readonly isDurable: boolean
  /** Whether its writer has died. */
  readonly isOrphan: () => boolean
}

export class CommitModel {
  #chain: string[]
  #inDoubt: InDoubt[] = []
  /** States of dead writers that a later commit has overwritten, and the index of the state each was made of. */
  #overwritten: { readonly state: string; readonly base: number }[] = []
  /** The first state of the chain that a power loss may leave. */
  #durable = 0

  constructor(first: string) {
    this.#chain = [first]
  }

  /** The newest state known; what is observed from now on is this one or a later one. */
  get newest(): number {
    return this.#chain.length - 1
  }

  /** The commit under way will make this of the newest state. @requires WRITE */
  begin(state: string, synchronous: Synchronous, isOrphan: () => boolean): void {
    this.#inDoubt.push({ state, isDurable: synchronous === 'full', isOrphan })
  }

  acknowledge(state: string, synchronous: Synchronous): void {
    // Others may have seen it, and gone on from there, before its writer comes to say so.
    this.observe(state, 0)
    if (synchronous === 'full') this.#durable = Math.max(this.#durable, this.#chain.lastIndexOf(state))
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
      this.#chain.length = (this.#findOverwritten(state)?.base ?? this.newest) + 1
      this.#chain.push(state)
    } else {
      this.#chain.length = index + 1
    }
    this.#inDoubt = []
    this.#overwritten = []
    this.#durable = this.newest
  }

  #findOverwritten(state: string) {
    return this.#overwritten.find((other) => other.state === state && other.base >= this.#durable)
  }

  #adopt(state: string): boolean {
    if (this.#chain.at(-1) === state) return true
    const found = this.#inDoubt.find((inDoubt) => inDoubt.state === state)
    if (found === undefined) return false
    for (const other of this.#inDoubt)
      if (other !== found) this.#overwritten.push({ state: other.state, base: this.newest })
    this.#chain.push(state)
    this.#inDoubt = []
    // What a living writer shows is as durable as its mode asks (TXN-3). Of a dead one, a recovery shows what it finds.
    if (found.isDurable && !found.isOrphan()) this.#durable = this.newest
    return true
  }

  #describe(state: string): string {
    const index = this.#chain.lastIndexOf(state)
    return index < 0 ? `what never was a state (${state})` : `state ${index}`
  }
}
