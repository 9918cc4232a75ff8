import { shown, type FileProblem } from '../errors.ts'

/** Maximum number of unsigned names, and of missing ones, to look at; a model may have any number of files. */
const MAX_NAMES = 10_000

/**
 * Explains in sentences why names differ from the signed ones, if a known program causes it.
 *
 * @returns each cause once, with the problems that it explains
 */
export function plainNames(problems: readonly FileProblem[]): Map<string, FileProblem[]> {
  const causes = new Map<string, FileProblem[]>()
  const explain = (cause: string, ...explained: FileProblem[]) =>
    void causes.set(cause, [...(causes.get(cause) ?? []), ...explained])
  const unsigned = problems.filter(({ code }) => code === 'FILE_UNSIGNED').slice(0, MAX_NAMES)
  const missing = new Map<string, FileProblem>()
  for (const problem of problems.filter(({ code }) => code === 'FILE_MISSING').slice(0, MAX_NAMES))
    missing.set(folded(problem.file), problem)
  let interrupted = false
  for (const problem of unsigned) {
    const { file } = problem
    const other = missing.get(folded(file))
    const wanted = missing.get(folded(file.replace(PARTIAL, '')))
    if (other) explain(otherForm(file, other.file), problem, other)
    else if (PARTIAL.test(file) && wanted)
      explain(`The download of ${shown(wanted.file)} has not finished.`, problem, wanted)
    else {
      const known = LEFT_BEHIND.find(({ names }) => names.test(file))
      if (isHubRecord(file)) explain(HUB_CAUSE, problem)
      else if (known) explain(`${known.by} ${CREATED} ${shown(file)}.`, problem)
      interrupted ||= PARTIAL.test(file)
    }
  }
  // Tools do not always name a partial file after the final one.
  const unfinished = [...missing.values(), ...problems.filter(({ code }) => code === 'FILE_MISMATCH')]
  if (interrupted && unfinished.length > 0)
    explain('Files that are missing or differ may belong to it: finish the download first.', ...unfinished)
  return causes
}

/** The verb in the sentence about a file that a program left behind. */
export const CREATED = 'created'

/** Suffixes that programs add to the name of a file until its download is complete. */
const PARTIAL = /\.(?:incomplete|part|partial|crdownload|download|aria2|tmp|!qB)$/i

export function isPartialDownload(name: string): boolean {
  return PARTIAL.test(name)
}

/**
 * What `hf download --local-dir` and `hf upload` keep in a directory about their own work. No model needs it, and nothing in
 * it can be loaded. Whatever else is in the same directory, such as an unfinished download, is content like any other.
 */
const HUB_RECORDS = /^\.cache\/huggingface\/(?:\.gitignore|CACHEDIR\.TAG|(?:download|upload)\/.+\.(?:metadata|lock))$/
/** Where they are. */
const HUB_RECORDS_PLACE = '.cache/huggingface'

/** @param name relative to the model */
export function isHubRecord(name: string): boolean {
  return name.startsWith(HUB_RECORDS_PLACE) && HUB_RECORDS.test(name)
}

/** One sentence for all of them. */
const HUB_CAUSE = `A download from the Hugging Face Hub ${CREATED} the directory ${shown(HUB_RECORDS_PLACE)}, which "modelseal pull" does not leave.`

/** Files that programs leave in directories that are not their own. */
const LEFT_BEHIND: readonly { names: RegExp; by: string }[] = [
  { names: PARTIAL, by: 'A download that has not finished' },
  { names: /(?:^|\/)\.cache\/huggingface\//, by: 'A download from the Hugging Face Hub' },
  { names: /(?:^|\/)\.huggingface\//, by: 'A download from the Hugging Face Hub' },
  { names: /(?:^|\/)(?:\.DS_Store$|\._[^/]+$|__MACOSX\/|\.Spotlight-V100\/|\.fseventsd\/|\.Trashes\/)/, by: 'macOS' },
  { names: /(?:^|\/)(?:Thumbs\.db|ehthumbs\.db|desktop\.ini)$/i, by: 'Windows' },
  { names: /(?:^|\/)(?:__pycache__\/|[^/]+\.py[co]$)/, by: 'Python' },
  { names: /(?:^|\/)\.ipynb_checkpoints\//, by: 'Jupyter' },
  { names: /(?:^|\/)(?:\.[^/]+\.sw[a-p]|[^/]+~|#[^/]+#|\.#[^/]+|[^/]+\.(?:orig|bak))$/, by: 'An editor' },
  { names: /(?:^|\/)(?:\.vscode|\.idea)\//, by: 'An editor' },
  { names: /(?:^|\/)\.(?:git|hg|svn|dvc)(?:\/|ignore$|attributes$|keep$|modules$)/, by: 'Version control' },
  { names: /(?:^|\/)(?:lost\+found\/|\.nfs[0-9a-f]+$|\.fuse_hidden[0-9a-f]+$|\.Trash-\d+\/)/, by: 'The file system' },
]

/** Maps names that differ only in Unicode form, case or separator to the same text. */
function folded(name: string): string {
  return name.normalize('NFKC').toLowerCase().replaceAll('\\', '/')
}

function otherForm(found: string, signed: string): string {
  const names = `${shown(found)} and the signed ${shown(signed)}`
  if (found.normalize('NFC') === signed.normalize('NFC')) {
    const forms = `${formOf(found)} instead of ${formOf(signed)}`
    return `${names} are the same name in two Unicode forms (${forms}); macOS and archive tools convert names. Rename the file.`
  }
  if (found.toLowerCase() === signed.toLowerCase()) return `${names} differ only in case. Rename the file.`
  return `${names} differ only in how their characters are written. Rename the file.`
}

function formOf(name: string): string {
  if (name === name.normalize('NFC')) return 'NFC'
  return name === name.normalize('NFD') ? 'NFD' : 'a mixture of both'
}
