// A beat as a file: the same bytes as from Python.
//   D.wav(samples) -> Uint8Array          D.midi(beat) -> Uint8Array
//   D.saveWav(beat, name), D.saveMidi(beat, name)     hand the file to the person
{
  const {BAR, QUARTER, RATE, START, TICKS} = D;

  const text = string => [...string].map(c => c.charCodeAt(0));

  D.wav = samples => {
    const bytes = new Uint8Array(44 + 2 * samples.length), view = new DataView(bytes.buffer);
    bytes.set(text("RIFF"), 0);
    view.setUint32(4, 36 + 2 * samples.length, true);
    bytes.set(text("WAVEfmt "), 8);
    view.setUint32(16, 16, true); // length of the format part
    view.setUint16(20, 1, true); // PCM
    view.setUint16(22, 1, true); // mono
    view.setUint32(24, RATE, true);
    view.setUint32(28, 2 * RATE, true); // bytes a second
    view.setUint16(32, 2, true); // bytes a sample
    view.setUint16(34, 16, true); // bits
    bytes.set(text("data"), 36);
    view.setUint32(40, 2 * samples.length, true);
    samples.forEach((x, n) => view.setInt16(44 + 2 * n, Math.round(32767 * x), true));
    return bytes;
  };

  const variable = number => { // seven bits a byte, all but the last byte marked
    const bytes = [number & 127];
    for (let rest = number >> 7; rest; rest >>= 7) bytes.unshift(rest & 127 | 128);
    return bytes;
  };

  // The strokes as [tick, order of what falls together, bytes]; an early one needs a bar in front.
  const eventsOf = ({steps, notes}) => {
    const early = notes.some(([step, , , offset]) => step === 0 && offset < 0);
    const begin = early ? BAR * TICKS : 0, end = begin + steps * TICKS;
    const events = early ? [[begin, 0, [0xFF, 1, START.length, ...text(START)]]] : [];
    D.kit.pitches.forEach((pitch, drum) => {
      const own = notes.filter(note => note[1] === drum).sort((a, b) => a[0] - b[0]);
      const ticks = own.map(([step, , , offset]) => begin + step * TICKS + offset);
      own.forEach(([, , velocity], i) => {
        events.push([ticks[i], 2, [0x99, pitch, velocity]]);
        events.push([Math.min(ticks[i] + TICKS, ticks[i + 1] ?? end), 1, [0x89, pitch, 64]]);
      });
    });
    events.push([end, 3, [0xB9, 123, 0]]); // all notes off
    return events.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  };

  const bytesOf = (number, count) =>
    Array.from({length: count}, (_, i) => number >> 8 * (count - 1 - i) & 255);

  D.midi = beat => {
    const track = [0, 0xFF, 3, 5, ...text("Drums"),
      0, 0xFF, 0x51, 3, ...bytesOf(Math.round(60e6 / beat.bpm), 3), // tempo
      0, 0xFF, 0x58, 4, 4, 2, 24, 8, // 4/4
      0, 0xC9, 0];
    let now = 0, running = 0xC9; // a status byte that repeats is left out
    for (const [tick, , [status, ...rest]] of eventsOf(beat)) {
      track.push(...variable(tick - now), ...(status === running ? [] : [status]), ...rest);
      now = tick;
      running = status === 0xFF ? null : status;
    }
    track.push(0, 0xFF, 0x2F, 0);
    const head = [...text("MThd"), 0, 0, 0, 6, 0, 0, 0, 1, ...bytesOf(QUARTER * TICKS, 2)];
    return Uint8Array.from([...head, ...text("MTrk"), ...bytesOf(track.length, 4), ...track]);
  };

  D.saveWav = (beat, name) => D.download(D.wav(D.render(beat)), `${name}.wav`, "audio/wav");
  D.saveMidi = (beat, name) => D.download(D.midi(beat), `${name}.mid`, "audio/midi");
}
