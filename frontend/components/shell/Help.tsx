'use client'

import { useEffect, useRef } from 'react'
import styles from './Help.module.css'

const KEYS: readonly (readonly [string, string])[] = [
  ['/', 'Filter'],
  ['j k', 'Next, previous row'],
  ['g G', 'First, last row'],
  ['Enter', 'Open the row'],
  ['Esc', 'Close, or leave the filter'],
  ['Space', 'Pause and resume the live list'],
  ['f', 'Follow: show the new rows'],
  ['a c p', 'Acknowledge, confirm fraud, false positive; goes on to the next'],
  ['z', 'Snooze for an hour'],
  ['w', 'Write a note; Ctrl+Enter keeps it'],
  ['A', 'Decide on all open ones that match, or of the status that is listed; asks first'],
  ['U', 'Undo your last decision'],
  ['r', 'The worst anomalies first, or by time'],
  ['B', 'A burst as one case, or every alert'],
  ['T', 'Ground truth, shown or hidden, in an open row'],
  ['u', "The selected row's user"],
  ['1 – 5', 'Overview, Transactions, Anomalies, Users, Health'],
  ['?', 'This list'],
]

const FILTERS: readonly (readonly [string, string])[] = [
  ['amount>500 country!=FR', 'both must hold'],
  ['user:u-00*', 'begins with'],
  ['severity>=suspicious', 'a score of .7 or more: unusual, suspicious from .7, critical from .9'],
  ['category:fuel,groceries', 'any of them'],
  ['-merchant:acme', 'not'],
  ['(why:location or score>=.9) since:1h', 'any of them, in the last hour'],
  ['"free text"', 'anywhere'],
]

/** What the keys do and how filters are written. */
export function Help({ open, onClose }: { open: boolean; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    if (open) dialog.current?.showModal()
    else dialog.current?.close()
  }, [open])
  return (
    <dialog ref={dialog} className={styles.help} onClose={onClose} aria-labelledby="help-title" data-testid="help">
      <header>
        <h2 id="help-title">Keys and filters</h2>
        <button type="button" onClick={onClose}>
          Close
        </button>
      </header>
      <Pairs pairs={KEYS} keys />
      <h3>Filters</h3>
      <Pairs pairs={FILTERS} />
    </dialog>
  )
}

function Pairs({ pairs, keys = false }: { pairs: typeof KEYS; keys?: boolean }) {
  return (
    <dl className={`${styles.pairs} ${keys ? '' : styles.wide}`}>
      {pairs.map(([term, meaning]) => (
        <div key={term}>
          <dt>
            {keys ? (
              term.split(' ').map((key) => (key === '–' ? ' – ' : <kbd key={key}>{key}</kbd>))
            ) : (
              <code>{term}</code>
            )}
          </dt>
          <dd>{meaning}</dd>
        </div>
      ))}
    </dl>
  )
}
