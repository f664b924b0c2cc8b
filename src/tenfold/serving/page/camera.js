// A photo from the camera: in the page where the browser allows it, otherwise by the phone's own camera.

const find = (id) => document.getElementById(id);

/** Lets the button take photos; `take` gets each as a file. */
export function offerCamera(take) {
  const dialog = find("camera"), video = find("video"), capture = find("capture");
  let stream = null;

  function stop() {
    stream?.getTracks().forEach((track) => track.stop());
    stream = video.srcObject = null;
  }

  async function open() {
    // Browsers give a page the camera only on HTTPS or on the same machine.
    if (!navigator.mediaDevices?.getUserMedia) return capture.click();
    const wanted = { facingMode: "environment", width: { ideal: 1920 }, height: { ideal: 1440 } };
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: wanted });
    } catch {
      return capture.click(); // there is none, or it is not allowed
    }
    video.srcObject = stream;
    dialog.showModal();
    await video.play();
    find("shoot").disabled = false;
  }

  find("photo").addEventListener("click", open);
  find("shoot").addEventListener("click", async () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    canvas.getContext("2d").drawImage(video, 0, 0);
    dialog.close();
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
    take(new File([blob], "photo.jpg", { type: "image/jpeg" }));
  });
  find("camera-cancel").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    find("shoot").disabled = true;
    stop();
  });
  capture.addEventListener("change", () => {
    const [file] = capture.files;
    capture.value = "";
    if (file) take(file);
  });
}
