/** A new job: settings as controls, the spec as text, and what the service says of it. */

import { alertUser, announce } from "../announce.js";
import { ApiError, get, left, post } from "../api.js";
import { h, replace, say } from "../dom.js";
import { choices } from "../form/choices.js";
import { control } from "../form/controls.js";
import { editor } from "../form/editor.js";
import { GROUPS, writeField } from "../form/fields.js";
import { parse } from "../form/json-text.js";
import { presetFields } from "../form/presets.js";
import { EXAMPLE, OVERFITS, startOf } from "../form/starts.js";
import { validation } from "../form/validation.js";
import { go } from "../navigation.js";

export function page({ query, signal }) {
  const view = new NewJob(query, signal);
  return { title: "New job", element: view.element };
}

class NewJob {
  constructor(query, signal) {
    this.signal = signal;
    this.spec = {};
    this.attempt = { text: null, key: null };
    this.presets = [];
    this.text = editor({ onInput: (text, parsed) => this.typed(text, parsed) });
    this.checks = validation({
      onFaults: (faults) => this.mark(faults),
      onFault: (fault) => this.lead(fault),
      signal,
    });
    this.controls = GROUPS.flatMap(({ fields }) => fields).map((field) =>
      control(field, (value) => this.changed(field, value)),
    );
    this.own = [];
    this.model = h("div", { class: "fields" });
    this.remark = h("p", { class: "quiet", role: "status" });
    this.fault = h("p", { class: "fault", role: "alert", hidden: true });
    this.submit = h("button", { class: "button primary", type: "submit" }, "Train");
    this.start = h(
      "select",
      { id: "start", onchange: () => this.begin() },
      h("option", { value: "" }, "Choose…"),
    );
    this.element = this.layout();
    this.fill(query);
  }

  layout() {
    let at = 0;
    const groups = GROUPS.map(({ title, fields }) => {
      const mine = this.controls.slice(at, (at += fields.length));
      return h(
        "fieldset",
        { class: "group" },
        h("legend", {}, title),
        h(
          "div",
          { class: "fields" },
          mine.map((each) => each.element),
        ),
      );
    });
    this.modelGroup = h(
      "fieldset",
      { class: "group", hidden: true },
      h("legend", {}, "Preset"),
      this.model,
    );
    const start = h(
      "div",
      { class: "field start" },
      h("label", { for: "start" }, "Start from"),
      this.start,
      this.remark,
    );
    const form = h(
      "form",
      {
        class: "new-job",
        novalidate: true,
        onsubmit: (event) => this.send(event),
        onkeydown: (event) =>
          event.key === "Enter" && (event.ctrlKey || event.metaKey) && this.send(event),
      },
      h("div", { class: "settings" }, start, this.modelGroup, groups),
      h(
        "div",
        { class: "spec-side" },
        this.text.element,
        h("div", { class: "send" }, this.submit, this.fault),
        this.checks.element,
      ),
    );
    return h("div", { class: "page" }, h("h1", {}, "New job"), form);
  }

  async fill(query) {
    this.offer();
    this.presetsLoaded = this.loadPresets();
    try {
      const { spec, remark } = await startOf(query, this.signal);
      say(this.remark, remark);
      this.put(spec);
    } catch (error) {
      if (left(error)) return;
      say(this.remark, `${error.message} The example stands here instead.`);
      this.put(EXAMPLE);
    }
    try {
      const lists = await choices(this.signal);
      for (const each of this.controls) {
        if (typeof each.field.options === "string") each.options(lists[each.field.options]);
      }
      this.show();
    } catch (error) {
      if (!left(error)) say(this.remark, error.message);
    }
  }

  async loadPresets() {
    try {
      this.presets = await get("/presets", { signal: this.signal });
      this.offer();
      this.show();
    } catch (error) {
      if (!left(error)) say(this.remark, error.message);
    }
  }

  offer() {
    const examples = [
      ["example", "Digits with L2 and dropout: seconds"],
      ["overfits", "Digits without any, to see it overfit"],
    ];
    replace(
      this.start,
      h("option", { value: "" }, "Choose…"),
      h(
        "optgroup",
        { label: "Examples" },
        examples.map(([value, label]) => h("option", { value }, label)),
      ),
      this.presets.length > 0
        ? h(
            "optgroup",
            { label: "The note's networks" },
            this.presets.map(({ name, description }) =>
              h(
                "option",
                { value: `preset ${name}` },
                `${name}: ${description.split(/[,.\n]/)[0]}`,
              ),
            ),
          )
        : null,
    );
  }

  begin() {
    const chosen = this.start.value;
    const preset = this.presets.find(({ name }) => chosen === `preset ${name}`);
    const spec = preset?.spec ?? { example: EXAMPLE, overfits: OVERFITS }[chosen];
    if (spec === undefined) return;
    this.put(spec);
    say(this.remark, preset ? preset.source : "The spec was replaced.");
  }

  /** Another spec in place of all. */
  put(spec) {
    this.spec = spec;
    this.text.put(spec);
    this.show();
    this.checks.check(this.text.text(), null);
  }

  /** A control has another value. */
  changed(field, value) {
    this.spec = writeField(field, this.spec, value);
    this.text.put(this.spec);
    this.show();
    this.checks.check(this.text.text(), null);
  }

  /** The text was edited. */
  typed(text, { value, error }) {
    if (error === null) {
      this.spec = value;
      this.show();
    }
    this.checks.check(text, error);
  }

  show() {
    this.showPreset();
    for (const each of [...this.controls, ...this.own]) each.show(this.spec);
  }

  showPreset() {
    const name = this.spec?.model?.preset ?? null;
    const preset = this.presets.find((each) => each.name === name);
    this.modelGroup.hidden = !preset;
    if ((preset?.name ?? null) === (this.shownPreset ?? null)) return;
    this.shownPreset = preset?.name ?? null;
    this.own = preset
      ? presetFields(preset).map((field) => control(field, (value) => this.changed(field, value)))
      : [];
    replace(
      this.model,
      this.own.map((each) => each.element),
    );
  }

  mark(faults) {
    this.text.mark(faults);
    for (const each of [...this.controls, ...this.own]) {
      const { pointer } = each.field;
      const mine = faults.find(
        (fault) => fault.pointer === pointer || fault.pointer.startsWith(`${pointer}/`),
      );
      each.fault(mine ? mine.detail : null);
    }
  }

  lead(fault) {
    this.text.select(fault);
  }

  async send(event) {
    event.preventDefault();
    if (this.submit.getAttribute("aria-disabled") === "true") return;
    const { error } = parse(this.text.text());
    if (error !== null) return this.refuse(`The spec is not JSON yet: ${error.message}.`);
    this.submit.setAttribute("aria-disabled", "true");
    this.fault.hidden = true;
    try {
      const job = await post("/jobs", this.text.text(), {
        headers: { "Idempotency-Key": this.key() },
      });
      announce("The job is queued.");
      go(`/ui/jobs/${job.id}`);
    } catch (failure) {
      if (!left(failure)) this.failed(failure);
    } finally {
      this.submit.removeAttribute("aria-disabled");
    }
  }

  /** One key for one text: sent twice, because an answer got lost, it makes one job. */
  key() {
    const text = this.text.text();
    if (this.attempt.text !== text)
      this.attempt = { text, key: `${Date.now()}-${Math.random().toString(36).slice(2)}` };
    return this.attempt.key;
  }

  failed(error) {
    if (error instanceof ApiError && error.faults.length > 0) {
      this.mark(error.faults);
      this.lead(error.faults[0]);
    }
    this.refuse(error.message);
  }

  refuse(text) {
    say(this.fault, text);
    this.fault.hidden = false;
    alertUser(text);
  }
}
