import styles from './charts.module.css'

/** A bar as long as `share` of its room, from 0 to 1, of the figure that stands beside it. */
export function Bar({ share }: { share: number }) {
  return (
    <svg className={styles.bar} viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden>
      <rect width={share * 100} height="8" />
    </svg>
  )
}
