// The kit under the fingers: keys, pads and instruments at Web MIDI hit it; while the loop plays
// and records, what is hit goes to the nearest step, and is as early or late there as it was.
//   D.studioPads(studio, drums) -> {dot, midi, draw, hit(drum, velocity, time), record(), stop()}
//       drums: {pitch: drum}; time: when it was hit, as events tell it
{
  const {clamp, controls} = D;
  const OLDEST = 1; // seconds that a hit may have been on its way

  // Whatever is plugged in, now or later; gives what lets go of it again.
  const connect = async () => {
    if (!navigator.requestMIDIAccess)
      throw new Error("This browser has no Web MIDI; Chrome, Edge and Firefox have it.");
    const access = await navigator.requestMIDIAccess().catch(() => {
      throw new Error("This page may not hear MIDI: the browser, or a person, did not allow it.");
    });
    const listen = to => {
      for (const input of access.inputs.values()) input.onmidimessage = to;
    };
    const names = () => [...access.inputs.values()].map(({name}) => name).join(", ");
    return {listen, names, change: then => access.onstatechange = then};
  };

  D.studioPads = (studio, drums) => {
    const {state, transport, grid} = studio, sound = D.hitting();
    let recording = false, instruments = null, listening = false;

    const hit = (drum, velocity, time = performance.now()) => {
      sound(drum, velocity, transport.volume);
      grid.mixer.flash(drum);
      if (!recording || !transport.playing || studio.models.busy) return;
      const ago = clamp((performance.now() - time) / 1000, 0, OLDEST);
      state.record(transport.position(ago), drum, velocity);
      studio.commit();
    };

    const heard = ({data: [status, pitch, velocity], timeStamp}) => {
      if ((status & 0xF0) !== 0x90 || !velocity) return;
      const drum = drums[pitch];
      studio.complain("midi", drum === undefined
        ? new Error(`MIDI note ${pitch} is no drum of this kit.`) : null);
      if (drum !== undefined) hit(drum, velocity, timeStamp);
    };

    const tell = () => {
      instruments.listen(listening && !studio.stopped ? heard : null);
      midi.title = `Heard: ${instruments.names() || "nothing is plugged in yet"}`;
      draw();
    };

    const listen = async () => { // a second press lets go
      midi.disabled = true; // while a person is asked
      try {
        instruments ??= await connect();
        listening = !listening;
        instruments.change(tell);
        tell();
        studio.complain("midi", null);
      } catch (error) {
        studio.complain("midi", error);
      }
      midi.disabled = false;
    };

    const record = () => {
      recording = !recording;
      if (recording) {
        state.setPoly(true); // two hands play at once
        studio.commit();
        studio.playing.repeat();
        if (!transport.playing) studio.playing.toggle();
      }
      draw();
    };

    const dot = controls.button("●", "Record what you hit while the loop plays (key R)", record,
      {"aria-label": "Record", className: "dqs-record"});
    const midi = controls.button("MIDI in",
      "Let an electronic kit or a keyboard hit the drums", listen);
    const draw = () => {
      dot.setAttribute("aria-pressed", recording);
      midi.setAttribute("aria-pressed", listening);
    };
    return {dot, midi, draw, hit, record, stop: () => instruments?.listen(null)};
  };
}
