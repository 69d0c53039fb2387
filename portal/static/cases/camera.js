// The camera in the page, with a ring to put the mark in and, for a mark photographed before, the
// last photo as a shadow to line up with. What it takes goes the way of any chosen photo. The
// button shows only where the browser has a camera to offer.

const camera = navigator.mediaDevices?.getUserMedia ? navigator.mediaDevices : null;

for (const slot of document.querySelectorAll("[data-slot]")) {
  const open = slot.querySelector("[data-camera]");
  if (!open || !camera) continue;
  const dialog = slot.querySelector("dialog");
  const video = dialog.querySelector("video");
  const trouble = dialog.querySelector("[data-no-camera]");
  const take = dialog.querySelector("[data-take]");
  const ghost = dialog.querySelector("[data-ghost]");
  const shadow = dialog.querySelector("[data-shadow]");
  let stream = null;
  open.hidden = false;

  open.addEventListener("click", async () => {
    dialog.showModal();
    trouble.hidden = true;
    take.disabled = true;
    try {
      stream = await camera.getUserMedia({
        audio: false,
        video: { facingMode: "environment", width: { ideal: 4096 }, height: { ideal: 4096 } },
      });
      if (!dialog.open) return stop(); // closed while the browser asked
      video.srcObject = stream;
      await video.play();
      take.disabled = false;
      take.focus();
    } catch {
      trouble.hidden = false;
    }
  });

  take.addEventListener("click", async () => {
    take.disabled = true;
    const photo = await picture(video, stream);
    dialog.close();
    const files = new DataTransfer();
    files.items.add(new File([photo], "camera.jpg", { type: photo.type, lastModified: Date.now() }));
    const input = slot.querySelector("input[type=file]");
    input.files = files.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });

  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  shadow?.addEventListener("change", () => {
    ghost.hidden = !shadow.checked;
  });
  dialog.addEventListener("close", stop);

  function stop() {
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = null;
    video.srcObject = null;
  }
}

// The camera's own photo where the browser gives it; else the picture on the screen.
async function picture(video, stream) {
  if ("ImageCapture" in window) {
    try {
      return await new ImageCapture(stream.getVideoTracks()[0]).takePhoto();
    } catch {
      // Some cameras only film.
    }
  }
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  return new Promise((resolve) => {
    canvas.toBlob(resolve, "image/jpeg", 0.95);
  });
}
