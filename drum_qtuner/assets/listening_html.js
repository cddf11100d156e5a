// The words of the listening test, and the frame that the test fills.
{
  const card = (side, i) => `
        <div class="dql-card" role="group" aria-label="Beat ${i + 1}">
          <button type="button" class="dql-play"></button>
          <span class="dql-heard"></span>
          <button type="button" class="dql-choice" data-answer="${side}" aria-pressed="false"
            >I prefer ${i + 1}</button>
        </div>`;

  D.SIDES = ["first", "second"];

  D.listeningHtml = `
    <div class="dql-intro">
      <h2>Which beat do you prefer?</h2>
      <p>You will hear short drum beats, two at a time. Say which of the two you would rather hear
        in a piece of music. There is no right answer.</p>
      <ul>
        <li>Use headphones if you can, in a quiet place.</li>
        <li>Listen to both to the end, as often as you like, then choose.</li>
        <li>The first pair is for practice: set your volume there and leave it.</li>
        <li>You may stop at any time and go on later with the same nickname.</li>
      </ul>
      <form novalidate>
        <label>Your nickname
          <small>any word that is not your name: it is all that is kept about you</small>
          <input name="nickname" maxlength="40" autocomplete="off" autocapitalize="none"
            spellcheck="false"></label>
        <button class="dql-main">Start</button>
      </form>
    </div>
    <div class="dql-trial" hidden>
      <div class="dql-top"><span class="dql-count"></span><span class="dql-who"></span></div>
      <div class="dql-done" role="progressbar" aria-label="Answered" aria-valuemin="0"><i></i></div>
      <h2 tabindex="-1">Which do you prefer?</h2>
      <div class="dql-pair">${D.SIDES.map(card).join("")}
      </div>
      <button type="button" class="dql-choice dql-none" data-answer="none" aria-pressed="false"
        >No preference</button>
      <div class="dql-next"><span class="dql-status" role="status"></span>
        <button type="button" class="dql-main">Next</button></div>
      <button type="button" class="dql-link dql-save">Save my answers so far</button>
      <p class="dql-lost" hidden>This browser forgets your answers when you close or reload the
        page: save them before you leave.</p>
      <p class="dql-keys">Keys: <kbd>1</kbd> <kbd>2</kbd> or <kbd>A</kbd> <kbd>B</kbd> listen,
        <kbd>Space</kbd> stop or listen again,
        <kbd>←</kbd> <kbd>→</kbd> choose<span class="dql-down">, <kbd>↓</kbd> no preference</span>,
        <kbd>Enter</kbd> next.</p>
    </div>
    <div class="dql-end" hidden>
      <h2 tabindex="-1">Done. Thank you!</h2>
      <p class="dql-told" role="status"></p>
      <div class="dql-row">
        <button type="button" class="dql-main dql-save">Save my answers</button>
        <button type="button" class="dql-again">Next listener</button></div>
    </div>`;
}
