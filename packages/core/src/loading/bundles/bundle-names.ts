/**
 * Names beside the files of a model under which a load finds all of its bundles. One has the usual name, which a load
 * looks for first. It would hide others, so several bundles are called `*.oms.sig`, as is one whose usual name is taken.
 *
 * @param usual `model.sig`, or the name of a single file with `.sig`
 * @param files names of the signed files
 */
export function bundleNames(usual: string, count: number, files: ReadonlySet<string>): string[] {
  if (count === 1 && !files.has(usual)) return [usual]
  const nameOf =
    usual === 'model.sig'
      ? (number: number) => `signer-${number}.oms.sig`
      : (number: number) => usual.replace(/sig$/, `${number}.sig`)
  const names: string[] = []
  for (let number = 1; names.length < count; number++) if (!files.has(nameOf(number))) names.push(nameOf(number))
  return names
}
