// The sheet of paper: strokes of a pointer, kept so that they can be undone and drawn again.

const PEN = 0.028; // of the sheet's height
const FINGER = 1.15; // a finger writes larger digits

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

  draw(canvas = this.canvas, ink = getComputedStyle(this.canvas).getPropertyValue("--ink"), paper = null) {
    const context = canvas.getContext("2d");
    const { width, height } = canvas;
    context.clearRect(0, 0, width, height);
    if (paper) {
      context.fillStyle = paper;
      context.fillRect(0, 0, width, height);
    }
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

  /** The drawing as a PNG file, black on white whatever the theme. */
  toBlob() {
    const copy = document.createElement("canvas");
    copy.width = this.canvas.width;
    copy.height = this.canvas.height;
    this.draw(copy, "#000", "#fff");
    return new Promise((resolve) => copy.toBlob(resolve, "image/png"));
  }
}
