// The worker of sent_frames.js: encoded frames pass through; each one's RTP time and the time now go to the page.

addEventListener("rtctransform", (event) => {
  const { transformer } = /** @type {any} */ (event);
  const look = new TransformStream({
    transform(frame, controller) {
      controller.enqueue(frame);
      const rtpTimestamp = frame.getMetadata().rtpTimestamp ?? frame.timestamp;
      postMessage([rtpTimestamp, performance.timeOrigin + performance.now()]);
    },
  });
  transformer.readable.pipeThrough(look).pipeTo(transformer.writable).catch(() => {}); // the connection has ended
});
postMessage("ready");
