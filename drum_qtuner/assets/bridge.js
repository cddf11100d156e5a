// From the page to the kernel and back; the other end is bridge.py.
//   D.bridge(model, patience) -> {ask(question) -> Promise of the answer, close()}
//       `model` is anywidget's; patience: milliseconds after which a silent kernel is an error
// A question goes out as {id, ask, ...}; what comes back is {id, answer} or {id, error}.
{
  D.bridge = (model, patience = Infinity) => {
    const waiting = new Map(), view = Math.random().toString(36).slice(2);
    let last = 0; // one widget may be shown twice: each view knows its own questions
    const receive = ({id, error, answer}) => {
      const {resolve, reject, timer} = waiting.get(id) ?? {};
      waiting.delete(id);
      clearTimeout(timer);
      error === undefined ? resolve?.(answer) : reject?.(new Error(error));
    };
    const ask = question => new Promise((resolve, reject) => {
      const id = `${view} ${++last}`;
      const late = {id, error: "Python does not answer; it may be busy with another cell."};
      const timer = patience < Infinity && setTimeout(() => receive(late), patience);
      waiting.set(id, {resolve, reject, timer});
      model.send({...question, id});
    });
    model.on("msg:custom", receive);
    return {ask, close: () => model.off("msg:custom", receive)};
  };
}
