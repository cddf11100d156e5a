// A MIDI file that is dropped on the studio or chosen there, read as `Beat.from_midi` reads it.
//   D.readMidi(bytes, drums) -> {bpm, steps, notes, said}     drums: {pitch: drum}; an Error says
//       what is wrong, `said` what did not fit
//   D.studioFiles(studio, drums) -> {button}     listens for drops, too
{
  const {BAR, DRUMS, START, TICKS, element} = D, {MOST} = D.pattern;
  const LARGEST = 2 ** 20; // bytes: hours of drumming are less
  const LEAST = {0x51: 3, 0x58: 2}; // bytes of a tempo, of a time signature
  const CHANNEL = 9; // the drums: a file counts channels from 0
  const word = (bytes, at, n) => bytes.slice(at, at + n).reduce((sum, b) => sum * 256 + b, 0);
  const cutShort = () => new Error("This MIDI file is damaged: it is cut short.");
  const least = values => values.reduce((a, b) => Math.min(a, b));
  const name = (bytes, at, n) => String.fromCharCode(...bytes.slice(at, at + n));

  const tracksOf = bytes => { // {resolution, tracks}
    let head = name(bytes, 0, 4) === "RIFF" ? Math.max(0, name(bytes, 0, 200).indexOf("MThd")) : 0;
    while (head + 8 <= bytes.length && name(bytes, head, 4) !== "MThd")
      head += 8 + word(bytes, head + 4, 4);
    if (name(bytes, head, 4) !== "MThd") throw new Error("This is not a MIDI file.");
    if (head + 14 > bytes.length) throw cutShort();
    const resolution = word(bytes, head + 12, 2), tracks = [];
    if (!resolution || resolution > 0x7FFF)
      throw new Error("This file counts time in film frames, not in beats.");
    let at = head + 8 + word(bytes, head + 4, 4);
    while (at + 8 <= bytes.length) {
      const size = word(bytes, at + 4, 4), track = name(bytes, at, 4) === "MTrk";
      if (track) tracks.push(bytes.slice(at + 8, at + 8 + size));
      at += 8 + size;
      if (track && at > bytes.length) throw cutShort();
    }
    return {resolution, tracks};
  };

  function* messagesOf(track) { // [tick, status, first byte, second byte or bytes]
    let tick = 0, running = 0, i = 0;
    const next = () => {
      if (i >= track.length) throw cutShort();
      return track[i++];
    };
    const number = () => {
      for (let n = 0, digits = 0; digits < 4; digits++) {
        const byte = next();
        n = n * 128 + (byte & 127);
        if (byte < 128) return n;
      }
      throw new Error("This MIDI file is damaged: a number is too long.");
    };
    while (i < track.length) {
      tick += number();
      const status = track[i] > 127 ? next() : running;
      if (status >= 0x80 && status < 0xF0) {
        running = status;
        yield [tick, status, next(), status >= 0xC0 && status < 0xE0 ? 0 : next()];
      } else if (status === 0xFF || status === 0xF0 || status === 0xF7) {
        const kind = status === 0xFF ? next() : 0, length = number();
        if (i + length > track.length || length < LEAST[kind]) throw cutShort();
        yield [tick, status, kind, track.slice(i, i += length)];
      } else throw new Error("This MIDI file is damaged: it holds what no file holds.");
    }
  }

  const search = tracks => { // what the messages say, in ticks
    const found = {strokes: [], tempos: [[0, 500000]], marks: [[0, 4, 4]], start: 0, length: 0};
    const channels = new Set();
    for (const track of tracks) for (const [tick, status, first, second] of messagesOf(track)) {
      found.length = Math.max(found.length, tick);
      if ((status & 0xF0) === 0x90 && second) channels.add(1 + (status & 15));
      if (status === (0x90 | CHANNEL) && second) found.strokes.push([tick, first, second]);
      if (status !== 0xFF) continue;
      if (first === 0x51) found.tempos.push([tick, word(second, 0, 3)]);
      if (first === 0x58) found.marks.push([tick, second[0], 2 ** second[1]]);
      if (first === 0x01 && name(second, 0, second.length) === START) found.start = tick;
    }
    if (!found.strokes.length) {
      const others = [...channels].sort((a, b) => a - b).join(", ");
      throw new Error(others ? `No drums on channel 10: this file has notes on channel ${others}.`
        : "No drums in this file.");
    }
    found.tempos.sort(([a], [b]) => a - b);
    found.marks.sort(([a], [b]) => a - b);
    return found;
  };

  const checkBars = (marks, places) => { // an Error unless the barlines are those of 4/4
    const first = Math.round(least(places)), last = Math.round(-least(places.map(at => -at)));
    marks.forEach(([at, top, bottom], i) => {
      const size = BAR * top / bottom, used = at <= last && (marks[i + 1]?.[0] ?? last + 1) > first;
      const fits = (BAR % size === 0 || size % BAR === 0) && at % BAR === 0;
      if (used && !fits) throw new Error(`This file is in ${top}/${bottom}; the grid is in 4/4.`);
    });
  };

  const simplest = us => { // the tempo with the fewest decimals that MIDI writes so
    for (let digits = 0; digits < 12; digits++) {
      const bpm = Number((60e6 / us).toFixed(digits));
      if (Math.round(60e6 / bpm) === us) return bpm;
    }
    return 60e6 / us;
  };

  D.readMidi = (bytes, drums) => {
    const {resolution, tracks} = tracksOf(bytes), {start, ...found} = search(tracks);
    const steps = tick => (tick - start) * 4 / resolution, length = steps(found.length);
    const known = found.strokes.filter(([, pitch]) => pitch in drums);
    if (!known.length) throw new Error("None of the drums in this file is on the kit.");
    const marks = found.marks.map(([tick, ...rest]) =>
      [Math.max(0, Math.round(steps(tick))), ...rest]);
    const places = known.map(([tick]) => steps(tick)), end = BAR * Math.round(length / BAR);
    checkBars(marks.filter(([at], i) => marks[i + 1]?.[0] !== at), places);
    const over = places.filter(at => at >= end - .5);
    const loops = end > 0 && Math.abs(length - end) < .5
      && over.every(at => at < Math.min(end, length));
    const cells = new Map();
    known.forEach(([, pitch, velocity], i) => {
      const at = loops && places[i] >= end - .5 ? places[i] - end : places[i];
      const step = Math.floor(at + .5), cell = step * DRUMS + drums[pitch];
      const late = Math.min(Math.round((at - step) * TICKS), TICKS / 2 - 1);
      if (!(cells.get(cell)?.[2] > velocity)) cells.set(cell, [step, drums[pitch], velocity, late]);
    });
    const notes = [...cells.values()].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    const whole = Math.max(BAR, end, BAR * (Math.floor(notes.at(-1)[0] / BAR) + 1));
    const first = least(known.map(([tick]) => tick)) + resolution / 8; // half a sixteenth
    const tempo = found.tempos.filter(([tick]) => tick <= first).at(-1)[1];
    if (!(tempo >= 60e3 && tempo <= 6e6)) throw new Error("Its tempo is not 10 to 1000 bpm.");
    const lost = found.strokes.length - notes.length, said = [];
    if (lost) said.push(`${lost} of ${found.strokes.length} strokes did not fit the grid.`);
    if (whole > MOST) said.push(`The first ${MOST / BAR} of ${whole / BAR} bars are here.`);
    return {bpm: simplest(tempo), steps: Math.min(whole, MOST), said: said.join(" "),
      notes: notes.filter(([step]) => step < MOST)};
  };

  D.studioFiles = (studio, drums) => {
    const {root, models, state} = studio;
    const take = async file => {
      if (!file || models.busy) return;
      try {
        if (file.size > LARGEST) throw new Error("It is too large for a MIDI file: over 1 MB.");
        const {said, ...beat} = D.readMidi(new Uint8Array(await file.arrayBuffer()), drums);
        state.load({...beat, title: file.name.replace(/\.\w+$/, "")});
        studio.complain("file", said ? new Error(`${file.name}: ${said}`) : null);
        studio.commit();
      } catch (error) {
        studio.complain("file", new Error(`${file.name}: ${error.message}`));
      }
    };
    const input = element("input", {type: "file", accept: ".mid,.midi,.kar,.smf,.rmi", hidden: true,
      onchange: () => take(input.files[0]).then(() => input.value = "")});
    const button = element("button", {type: "button", onclick: () => input.click(),
      title: "Open a MIDI file; or drop one on the studio"}, "Open", input);
    root.addEventListener("dragover", event => event.preventDefault());
    root.addEventListener("drop", event => {
      event.preventDefault();
      take(event.dataTransfer.files[0]);
    });
    return {button};
  };
}
