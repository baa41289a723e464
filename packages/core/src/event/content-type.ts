export const jsonContentType = 'application/json'
export const binaryContentType = 'application/octet-stream'
export const structuredContentType = 'application/cloudevents+json'

/** How the body of a content type becomes data. */
export type BodyForm = 'json' | 'text' | 'bytes'

/** Without parameters, in lower case. */
export function mediaType(contentType: string): string {
  const end = contentType.indexOf(';')
  return (end < 0 ? contentType : contentType.slice(0, end)).trim().toLowerCase()
}

export function bodyForm(contentType: string): BodyForm {
  const type = mediaType(contentType)
  if (type === jsonContentType || type.endsWith('+json') || type === 'text/json') return 'json'
  return type.startsWith('text/') ? 'text' : 'bytes'
}
