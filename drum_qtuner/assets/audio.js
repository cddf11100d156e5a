// The page's sound card, and strokes that sound at once.
//   D.audio()                          the page's audio context, made at the first press
//   D.hear(drum, velocity, volume)     one stroke; gives its gain, to end it sooner
//   D.hitting()                        a kit to hit: a function like D.hear, in which the closed
//       hi-hat ends the open one
//   D.click(accent)                    the metronome's, as an AudioBuffer
{
  D.audio = () => {
    if (!page.context) {
      page.context = new AudioContext();
      page.master = page.context.createGain();
      page.master.connect(page.context.destination);
    }
    if (page.context.state === "suspended") page.context.resume();
    return page.context;
  };

  D.hear = (drum, velocity, volume) => {
    const context = D.audio(), {input, output} = D.sounds.saturator(context);
    const source = context.createBufferSource(), gain = context.createGain();
    source.buffer = D.sounds.buffer(context, drum, velocity);
    gain.gain.value = volume ** 2;
    source.connect(input);
    output.connect(gain).connect(page.master);
    source.onended = () => gain.disconnect();
    source.start();
    return gain;
  };

  D.hitting = () => {
    const {OPEN, CLOSED, choke} = D.sounds;
    let ringing = null; // the open hi-hat
    return (drum, velocity, volume) => {
      const sound = D.hear(drum, velocity, volume);
      if (drum === OPEN || drum === CLOSED)
        ringing?.gain.setTargetAtTime(0, page.context.currentTime, choke / 3);
      if (drum === OPEN) ringing = sound;
      return sound;
    };
  };

  D.click = accent => { // a short sine
    const rate = D.sounds.rate, buffer = page.context.createBuffer(1, .05 * rate, rate);
    const turn = 2 * Math.PI * (accent ? 1760 : 1320) / rate;
    buffer.copyToChannel(Float32Array.from({length: buffer.length}, (_, n) =>
      .35 * Math.sin(turn * n) * Math.exp(-n / rate / .008)), 0);
    return buffer;
  };
}
