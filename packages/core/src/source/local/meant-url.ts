/**
 * The URL that a path may be meant to be: one of a hub, registry or object store whose slashes were forgotten, or the ARN of an
 * object or a bucket.
 *
 * @returns undefined for anything else
 */
export function meantUrl(path: string): string | undefined {
  const [, scheme = '', rest = ''] = /^(hf|oci|s3):\/?(?!\/)(.+)/is.exec(path) ?? []
  if (scheme !== '') return `${scheme.toLowerCase()}://${rest}`
  const [, object] = /^arn:aws[\w-]*:s3:::([^/:@]+(?:\/.*)?)$/is.exec(path) ?? []
  return object === undefined ? undefined : `s3://${object}`
}
