// The report of a run: play all of a section, and no sound from a fold that is closed.
//   D.report()     once the page is there
{
  const {icon} = D;
  const closed = figure => figure.closest("details:not([open])");
  const playsIn = box => [...box.querySelectorAll(".dq-player")]
    .find(({transport}) => transport && transport === page.playing);

  // Play figures once each, one after the other, until one is stopped or another one is started.
  const inTurn = (figures, onend) => {
    const [figure, ...others] = figures.filter(one => !closed(one));
    if (!figure) return onend();
    const {transport} = figure, {loop, onstop} = transport;
    transport.loop = false;
    transport.onstop = () => {
      const ended = !transport.loop && page.context.currentTime > transport.timeOf(1, 0);
      Object.assign(transport, {loop, onstop}).onstop();
      ended ? inTurn(others, onend) : onend();
    };
    figure.querySelector(".dq-play").click();
    figure.scrollIntoView({block: "nearest"});
  };

  const addPlayAll = section => {
    const button = D.element("button", {type: "button", className: "all"});
    const show = plays => {
      section.classList.toggle("plays", plays);
      button.innerHTML = `${icon(plays ? "stop" : "play")} ${plays ? "Stop" : "Play all"}`;
    };
    button.onclick = () => {
      if (section.matches(".plays")) return page.playing?.stop();
      page.playing?.stop();
      show(true);
      inTurn([...section.querySelectorAll(".dq-player")], () => show(false));
    };
    show(false);
    section.querySelector(".bar").append(button);
  };

  D.report = () => {
    document.querySelectorAll("section.beats").forEach(addPlayAll);
    for (const fold of document.querySelectorAll("details"))
      fold.addEventListener("toggle", () => fold.open || playsIn(fold)?.transport.stop());
  };
}
