// Images that people open, drop or paste: made smaller before they are sent.

const MAX_PIXELS = 3_000_000; // handwriting on 2,000 x 1,500 pixels is legible
const MAX_PLAIN_BYTES = 400_000;
const JPEG_QUALITY = 0.92;

/** The image, upright and no larger than reading needs; as it is if the browser cannot decode it. */
export async function reducePicture(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    return { blob: file, width: 0, height: 0 };
  }
  const { width, height } = bitmap;
  const scale = Math.min(1, Math.sqrt(MAX_PIXELS / (width * height)));
  if (scale === 1 && file.size <= MAX_PLAIN_BYTES) {
    bitmap.close();
    return { blob: file, width, height };
  }
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", JPEG_QUALITY));
  return { blob, width: canvas.width, height: canvas.height };
}

/** The images among what was dropped or pasted. */
export function findImages(transfer) {
  return [...(transfer?.files ?? [])].filter((file) => file.type.startsWith("image/") || /\.hei[cf]$/i.test(file.name));
}
