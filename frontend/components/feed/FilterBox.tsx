'use client'

import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { type KeyboardEvent, useId, useRef, useState } from 'react'
import { flushSync } from 'react-dom'
import { useDelayed } from '@/components/useDelayed'
import { ApiError, get } from '@/lib/api'
import { characters, checkOf, completed, type Completion, completions, matches, type Within } from '@/lib/filters'
import { useKeys } from '@/lib/keys'
import { count } from '@/lib/numbers'
import styles from './FilterBox.module.css'

const TYPED_MS = 150

interface Properties {
  value: string
  /** What is listed: the filter says how many of these match. */
  list?: Within
  onApply: (filter: string) => void
}

/**
 * The filter: what is typed is understood by the engine at once, which says how many transactions match or, with a
 * caret, what is wrong. Enter applies it; nothing that is wrong can be applied.
 */
export function FilterBox({ value, list = {}, onApply }: Properties) {
  const [text, setText] = useState(value)
  const [applied, setApplied] = useState(value)
  if (applied !== value) {
    setApplied(value)
    setText(value)
  }
  const input = useRef<HTMLInputElement>(null)
  const ids = useId()
  const [open, setOpen] = useState(false)
  const [marked, setMarked] = useState(-1)
  const [position, setPosition] = useState(0)
  const typed = useDelayed(text, TYPED_MS)
  const at = useDelayed(position, TYPED_MS)

  const check = useQuery({
    ...checkOf(typed, list),
    retry: false,
    placeholderData: keepPreviousData,
  })
  const ways = useQuery({
    queryKey: ['completions', typed, at],
    queryFn: ({ signal }) => get(completions, '/api/filter/completions', { q: typed, position: at }, signal),
    enabled: open,
    retry: false,
  })
  const wrong = check.error instanceof ApiError && check.error.problem.caret ? check.error.problem : null
  const offered = open && typed === text ? (ways.data?.completions ?? []) : []

  useKeys({ '/': () => input.current?.select() })

  const apply = (filter: string) => {
    setOpen(false)
    if (filter.trim() !== value) onApply(filter.trim())
  }
  const submit = async () => {
    // Enter may be faster than the answer about the newest letter.
    const good = await get(matches, '/api/filter', { q: text }).then(
      () => true,
      (error: unknown) => !(error instanceof ApiError && error.problem.status === 422),
    )
    if (good) apply(text)
  }
  const type = (filter: string, cursor: number) => {
    setText(filter)
    setPosition(characters(filter, cursor))
    setMarked(-1)
  }
  const accept = (completion: Completion) => {
    const next = completed(text, completion)
    // The cursor can only be placed in a text that is there, and before the next letter is typed.
    flushSync(() => type(next.text, next.cursor))
    input.current?.setSelectionRange(next.cursor, next.cursor)
  }
  const pressed = (event: KeyboardEvent) => {
    const chosen = offered[marked]
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      if (!open) setOpen(true)
      else if (offered.length) {
        const step = event.key === 'ArrowDown' ? 1 : -1
        setMarked(((marked + 1 + step + offered.length + 1) % (offered.length + 1)) - 1)
      }
    } else if (event.key === 'Tab' && open && offered.length && !event.shiftKey) {
      accept(chosen ?? offered[0]!)
    } else if (event.key === 'Enter') {
      if (chosen) accept(chosen)
      else void submit()
    } else if (event.key === 'Escape') {
      if (open && offered.length) setOpen(false)
      else {
        setText(value)
        input.current?.blur()
      }
    } else return
    event.preventDefault()
    event.stopPropagation()
  }

  return (
    <search className={styles.box}>
      <div className={styles.line}>
        <label htmlFor={`${ids}q`} className="visually-hidden">
          Filter
        </label>
        <input
          ref={input}
          id={`${ids}q`}
          className={styles.input}
          value={text}
          onChange={(event) => {
            type(event.target.value, event.target.selectionStart ?? event.target.value.length)
            setOpen(true)
          }}
          onSelect={(event) => setPosition(characters(text, event.currentTarget.selectionStart ?? 0))}
          onKeyDown={pressed}
          onBlur={() => setOpen(false)}
          placeholder="Filter: amount>500 country!=FR"
          autoComplete="off"
          autoCapitalize="off"
          spellCheck={false}
          role="combobox"
          aria-expanded={offered.length > 0}
          aria-controls={`${ids}list`}
          aria-autocomplete="list"
          aria-activedescendant={offered[marked] ? `${ids}${marked}` : undefined}
          aria-invalid={wrong !== null}
          aria-describedby={wrong ? `${ids}error` : undefined}
          data-testid="filter"
        />
        <span className={styles.matches} data-testid="matches">
          {wrong === null && text !== '' && check.data
            ? `${count(check.data.matches)} of ${count(check.data.of)} latest${text.trim() === value ? '' : ' · Enter'}`
            : ''}
        </span>
        {(text !== '' || value !== '') && (
          <button
            type="button"
            className={styles.clear}
            aria-label="Clear the filter"
            onClick={() => {
              type('', 0)
              apply('')
            }}
          >
            ×
          </button>
        )}
      </div>
      {wrong && (
        <pre id={`${ids}error`} role="alert" className={styles.error} data-testid="filter-error">
          {wrong.caret}
        </pre>
      )}
      <ul
        id={`${ids}list`}
        role="listbox"
        aria-label="Completions"
        className={styles.list}
        hidden={offered.length === 0}
      >
        {offered.map((completion, index) => (
          <li
            key={completion.word}
            id={`${ids}${index}`}
            role="option"
            aria-selected={index === marked}
            onMouseDown={(event) => {
              event.preventDefault()
              accept(completion)
            }}
          >
            <bdi>{completion.word}</bdi>
          </li>
        ))}
      </ul>
    </search>
  )
}
