type Method<Store> = Extract<keyof Store, string>

/** Stands before the calls of a store, so that a test decides when they happen and which of them fail. */
export interface Gate<Store> {
  /** How often each method was called. */
  calls(method: Method<Store>): number
  /** From now on calls wait, before or after they take effect, until the returned function lets them all go. */
  pause(method: Method<Store>, when?: 'before' | 'after'): () => void
  /** From now on no call comes through or back. */
  cut(): void
  /** From now on calls reject, before or after they take effect, until the returned function is called. */
  fail(method: Method<Store>, when?: 'before' | 'after'): () => void
}

interface Rule {
  readonly method: string
  readonly when: 'before' | 'after'
  readonly apply: () => Promise<void>
}

export function gated<Store extends object>(
  store: Store,
  changed: Partial<Store> = {},
): { readonly store: Store; readonly gate: Gate<Store> } {
  const rules = new Set<Rule>()
  const counts = new Map<string, number>()
  let isCut = false
  const pass = async (method: string, when: Rule['when']): Promise<void> => {
    if (isCut) await new Promise(() => undefined)
    for (const rule of rules) if (rule.method === method && rule.when === when) await rule.apply()
  }
  const add = (rule: Rule): (() => void) => {
    rules.add(rule)
    return () => void rules.delete(rule)
  }
  const proxy = new Proxy(store, {
    get(target, name): unknown {
      const own: unknown = Reflect.get(changed, name) ?? Reflect.get(target, name)
      if (typeof own !== 'function') return own
      const method = String(name)
      return async (...given: unknown[]): Promise<unknown> => {
        counts.set(method, (counts.get(method) ?? 0) + 1)
        await pass(method, 'before')
        const answer: unknown = await Reflect.apply(own, target, given)
        await pass(method, 'after')
        return answer
      }
    },
  })
  return {
    store: proxy,
    gate: {
      calls: method => counts.get(method) ?? 0,
      pause(method, when = 'before') {
        let open: () => void = () => undefined
        const opened = new Promise<void>(resolve => (open = resolve))
        const remove = add({ method, when, apply: () => opened })
        return () => {
          remove()
          open()
        }
      },
      cut: () => void (isCut = true),
      fail: (method, when = 'before') =>
        add({ method, when, apply: () => Promise.reject(new Error(`no ${method} today`)) }),
    },
  }
}
