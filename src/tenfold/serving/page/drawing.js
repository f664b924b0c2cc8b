// The sheet of paper: strokes of a pointer, kept so that they can be undone and drawn again.

const PEN = 0.028; // of the sheet's height
const FINGER = 1.15; // a finger writes larger digits
const MARGIN = 0.1; // of the sheet's height, around what is sent
const MAX_PIXELS = 320 * 320; // of what is sent; what a pen draws is legible on them

/** Strokes on a canvas. `onChange` is called when a stroke ends, or strokes go. */
export class Drawing {
  constructor(canvas, onChange) {
    this.canvas = canvas;
    this.onChange = onChange;
    this.strokes = [];
    this.current = null;
    canvas.addEventListener("pointerdown", (event) => this.begin(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => this.end(event));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { this.draw(); });
  }

  get isEmpty() { return this.strokes.length === 0 && !this.current; }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  begin(event) {
    if (event.button !== 0 || this.current) return;
    event.preventDefault();
    this.canvas.setPointerCapture(event.pointerId);
    const width = PEN * (event.pointerType === "touch" ? FINGER : 1);
    this.current = { pointer: event.pointerId, width, points: [this.place(event)] };
    this.canvas.dispatchEvent(new CustomEvent("stroke"));
    this.draw();
  }

  move(event) {
    if (!this.current || event.pointerId !== this.current.pointer) return;
    // A fast pen reports several places at once.
    const events = event.getCoalescedEvents?.() ?? [];
    for (const one of events.length ? events : [event]) this.current.points.push(this.place(one));
    this.draw();
  }

  end(event) {
    if (!this.current || event.pointerId !== this.current.pointer) return;
    this.strokes.push(this.current);
    this.current = null;
    this.onChange();
  }

  undo() {
    this.strokes.pop();
    this.draw();
    this.onChange();
  }

  clear() {
    this.strokes = [];
    this.current = null;
    this.draw();
    this.onChange();
  }

  draw() {
    const ink = getComputedStyle(this.canvas).getPropertyValue("--ink");
    const { width, height } = this.canvas;
    this.drawOn(this.canvas, ink, null, { left: 0, top: 0, width, height });
  }

  /** Draws on a canvas what lies in a part of the sheet, as if that had the canvas's size. */
  drawOn(canvas, ink, paper, part) {
    const context = canvas.getContext("2d");
    const { width, height } = this.canvas;
    context.resetTransform();
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (paper) {
      context.fillStyle = paper;
      context.fillRect(0, 0, canvas.width, canvas.height);
    }
    context.scale(canvas.width / part.width, canvas.height / part.height);
    context.translate(-part.left, -part.top);
    context.strokeStyle = ink;
    context.lineCap = context.lineJoin = "round";
    for (const { points, width: pen } of this.current ? [...this.strokes, this.current] : this.strokes) {
      context.lineWidth = pen * height;
      context.beginPath();
      const [first, ...rest] = points.map(([x, y]) => [x * width, y * height]);
      context.moveTo(...first);
      if (!rest.length) context.lineTo(first[0] + 0.01, first[1]);
      // Through the middles between places, with the places as control points: a smooth line.
      rest.forEach(([x, y], i) => {
        const next = rest[i + 1];
        if (next) context.quadraticCurveTo(x, y, (x + next[0]) / 2, (y + next[1]) / 2);
        else context.lineTo(x, y);
      });
      context.stroke();
    }
  }

  /** The part of the sheet that has ink, with a margin, in pixels of the canvas. */
  findInk() {
    const { width, height } = this.canvas;
    let left = width, top = height, right = 0, bottom = 0;
    for (const { points, width: pen } of this.strokes) {
      const edge = (MARGIN + pen / 2) * height;
      for (const [x, y] of points) {
        left = Math.min(left, x * width - edge);
        top = Math.min(top, y * height - edge);
        right = Math.max(right, x * width + edge);
        bottom = Math.max(bottom, y * height + edge);
      }
    }
    [left, top] = [left, top].map((value) => Math.max(0, Math.floor(value)));
    return { left, top, width: Math.min(width, Math.ceil(right)) - left, height: Math.min(height, Math.ceil(bottom)) - top };
  }

  /**
   * The drawing as a small PNG file, black on white whatever the theme. `frame` is the whole sheet
   * in the file's pixels: left, top, width, height.
   */
  async toImage() {
    const part = this.findInk();
    const scale = Math.min(1, Math.sqrt(MAX_PIXELS / (part.width * part.height)));
    const copy = document.createElement("canvas");
    copy.width = Math.max(1, Math.floor(part.width * scale));
    copy.height = Math.max(1, Math.floor(part.height * scale));
    this.drawOn(copy, "#000", "#fff", part);
    const blob = await new Promise((resolve) => copy.toBlob(resolve, "image/png"));
    const [across, down] = [copy.width / part.width, copy.height / part.height];
    const frame = [-part.left * across, -part.top * down, this.canvas.width * across, this.canvas.height * down];
    return { blob, frame };
  }
}
