// The keys of the listening test.
//   D.listeningKeys(root, keys, awake)    keys: {key: what it does}; awake(): do they count now?
{
  D.listeningKeys = (root, keys, awake) => {
    // What a key shall do; none: what it does anywhere.
    const meant = ({key, target, ctrlKey, metaKey, altKey}) => {
      if (!awake() || ctrlKey || metaKey || altKey) return undefined;
      const button = target.closest?.("button"); // Space and Enter press it
      const chosen = button?.getAttribute("aria-pressed") === "true"; // unless it is chosen already
      if (button && !chosen && [" ", "Enter"].includes(key)) return undefined;
      return keys[key.length === 1 ? key.toLowerCase() : key];
    };
    const onKey = event => {
      const press = meant(event);
      if (!press && !(event.repeat && event.key === "Enter")) return;
      event.preventDefault(); // a focused button is not pressed as well
      if (!event.repeat) press();
    };
    root.addEventListener("keydown", event => {
      event.stopPropagation(); // from here on nobody else listens
      onKey(event);
    });
    root.addEventListener("keyup", event => {
      if (event.key === " " && meant(event)) event.preventDefault();
    });
    if (!root.matches("body > *, body > main > *")) return;
    document.addEventListener("keydown", event => { // a page of its own: also without a focus
      if (event.target === document.body) onKey(event);
    });
  };
}
