'use client'

import { useEffect, useRef, useState } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { count } from '@/lib/numbers'
import { spanOf, type Stats, steps, totalsOf } from '@/lib/engine'
import { day, minute } from '@/lib/time'
import styles from './VolumeChart.module.css'

const HEIGHT = 220

/**
 * Transactions by minute or hour as an area, and the flagged ones of each as bars on a scale of their own; below them the
 * figures of the one that is pointed at, or else of all.
 */
export function VolumeChart({ stats }: { stats: Stats }) {
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | null>(null)
  const [pointed, setPointed] = useState<number | null>(null)
  const { step } = stats
  const shown = steps(stats)
  const length = useRef(step)
  const data: uPlot.AlignedData = [
    shown.map(({ at }) => Date.parse(at) / 1000),
    shown.map(({ transactions }) => transactions),
    shown.map(({ flagged }) => flagged),
  ]
  const newest = useRef(data)
  useEffect(() => {
    newest.current = data
    length.current = step
    plot.current?.setData(data)
  })

  useEffect(() => {
    const element = place.current
    if (element === null) return
    const draw = () => {
      plot.current?.destroy()
      plot.current = new uPlot(optionsFor(element, setPointed, length), newest.current, element)
    }
    draw()
    const sized = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }))
    sized.observe(element)
    // A canvas does not follow the theme by itself.
    const themed = new MutationObserver(draw)
    themed.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] })
    const system = matchMedia('(prefers-color-scheme: dark)')
    system.addEventListener('change', draw)
    return () => {
      sized.disconnect()
      themed.disconnect()
      system.removeEventListener('change', draw)
      plot.current?.destroy()
      plot.current = null
    }
  }, [])

  const { transactions: all, flagged } = totalsOf(shown)
  const told = pointed === null ? undefined : shown[pointed]
  const span = spanOf(shown.length, step)
  return (
    <>
      <div
        ref={place}
        className={styles.chart}
        role="img"
        aria-label={`${count(all)} transactions in the ${span}, ${count(flagged)} of them flagged, by ${step === 60 ? 'minute' : 'hour'}`}
        data-testid="volume"
      />
      <p className={styles.legend} data-testid="legend">
        <span className={styles.transactions}>{count(told?.transactions ?? all)} transactions</span>
        <span className={styles.flagged}>{count(told?.flagged ?? flagged)} flagged</span>
        <span className="muted">{told ? `${day(told.at)} ${minute(told.at)} UTC` : `in the ${span}`}</span>
      </p>
    </>
  )
}

function optionsFor(
  element: HTMLElement,
  onPoint: (index: number | null) => void,
  step: { readonly current: number },
): uPlot.Options {
  const colour = (name: string) => {
    element.style.color = `var(--${name})`
    const value = getComputedStyle(element).color
    element.style.color = ''
    return value
  }
  const text = colour('muted')
  const line = { stroke: colour('line'), width: 1 }
  const axis = { stroke: text, font: '11px system-ui', ticks: line }
  return {
    width: element.clientWidth,
    height: HEIGHT,
    padding: [10, 0, 0, 0],
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), 'UTC'),
    scales: {
      x: { range: (_, min, max) => [min - step.current / 2, max + step.current / 2] },
      transactions: { range: (_, __, max) => [0, Math.max(5, max * 1.1)] },
      flagged: { range: (_, __, max) => [0, Math.max(4, max * 2.5)] },
    },
    axes: [
      { ...axis, grid: { show: false }, values: (_, ticks) => ticks.map((tick) => minute(tick * 1000)) },
      { ...axis, scale: 'transactions', grid: line, size: 52 },
      {
        ...axis,
        scale: 'flagged',
        side: 1,
        grid: { show: false },
        size: 36,
        stroke: colour('critical'),
        incrs: [1, 2, 5, 10, 20, 50, 100, 500],
      },
    ],
    series: [
      {},
      {
        scale: 'transactions',
        stroke: colour('accent'),
        fill: colour('selected'),
        width: 1.5,
        points: { show: false },
      },
      {
        scale: 'flagged',
        stroke: colour('critical'),
        fill: colour('critical'),
        paths: uPlot.paths.bars?.({ size: [0.5, 24] }),
        points: { show: false },
      },
    ],
    cursor: { y: false, drag: { setScale: false } },
    legend: { show: false },
    hooks: { setCursor: [(plot) => onPoint(plot.cursor.idx ?? null)] },
  }
}
