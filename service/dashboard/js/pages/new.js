/** The form of a new job: settings as controls, the spec as text, and its validation. */

import { alertUser, announce } from "../announce.js";
import { ApiError, get, isAborted, post } from "../api.js";
import { h, replace, setText } from "../dom.js";
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
    this.submission = { text: null, key: null };
    this.presets = [];
    this.text = editor({ onInput: (text, parsed) => this.applyText(text, parsed) });
    this.checks = validation({
      onFaults: (faults) => this.mark(faults),
      onSelect: (fault) => this.text.select(fault),
      signal,
    });
    this.controls = GROUPS.flatMap(({ fields }) => fields).map((field) =>
      control(field, (value) => this.applyField(field, value)),
    );
    this.presetControls = [];
    this.presetFields = h("div", { class: "fields" });
    this.remark = h("p", { class: "quiet", role: "status" });
    this.fault = h("p", { class: "fault", role: "alert", hidden: true });
    this.submit = h("button", { class: "button primary", type: "submit" }, "Train");
    this.start = h(
      "select",
      { id: "start", onchange: () => this.startOver() },
      h("option", { value: "" }, "Select…"),
    );
    this.element = this.layout();
    this.fill(query);
  }

  layout() {
    let offset = 0;
    const groups = GROUPS.map(({ title, fields }) => {
      const members = this.controls.slice(offset, (offset += fields.length));
      return h(
        "fieldset",
        { class: "group" },
        h("legend", {}, title),
        h(
          "div",
          { class: "fields" },
          members.map(({ element }) => element),
        ),
      );
    });
    this.presetGroup = h(
      "fieldset",
      { class: "group", hidden: true },
      h("legend", {}, "Preset"),
      this.presetFields,
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
      h("div", { class: "settings" }, start, this.presetGroup, groups),
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
    this.fillStarts();
    this.loadPresets();
    try {
      const { spec, remark } = await startOf(query, this.signal);
      setText(this.remark, remark);
      this.setSpec(spec);
    } catch (error) {
      if (isAborted(error)) return;
      setText(this.remark, `${error.message} Starting from the example instead.`);
      this.setSpec(EXAMPLE);
    }
    try {
      const lists = await choices(this.signal);
      for (const { field, setOptions } of this.controls) {
        if (typeof field.options === "string") setOptions(lists[field.options]);
      }
      this.show();
    } catch (error) {
      if (!isAborted(error)) setText(this.remark, error.message);
    }
  }

  async loadPresets() {
    try {
      this.presets = await get("/presets", { signal: this.signal });
      this.fillStarts();
      this.show();
    } catch (error) {
      if (!isAborted(error)) setText(this.remark, error.message);
    }
  }

  fillStarts() {
    const examples = [
      ["example", "Digits with L2 and dropout (trains in seconds)"],
      ["overfits", "Digits without regularization (overfits)"],
    ];
    replace(
      this.start,
      h("option", { value: "" }, "Select…"),
      h(
        "optgroup",
        { label: "Examples" },
        examples.map(([value, label]) => h("option", { value }, label)),
      ),
      this.presets.length > 0
        ? h(
            "optgroup",
            { label: "Presets" },
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

  startOver() {
    const selected = this.start.value;
    const preset = this.presets.find(({ name }) => selected === `preset ${name}`);
    const spec = preset?.spec ?? { example: EXAMPLE, overfits: OVERFITS }[selected];
    if (spec === undefined) return;
    this.setSpec(spec);
    setText(this.remark, preset ? preset.source : "Spec replaced.");
  }

  /** Replace the whole spec. */
  setSpec(spec) {
    this.spec = spec;
    this.text.setSpec(spec);
    this.show();
    this.checks.check(this.text.text(), null);
  }

  /** Apply a control's new value. */
  applyField(field, value) {
    this.spec = writeField(field, this.spec, value);
    this.text.setSpec(this.spec);
    this.show();
    this.checks.check(this.text.text(), null);
  }

  /** Apply an edit of the text. */
  applyText(text, { value, error }) {
    if (error === null) {
      this.spec = value;
      this.show();
    }
    this.checks.check(text, error);
  }

  show() {
    this.showPreset();
    for (const { show } of [...this.controls, ...this.presetControls]) show(this.spec);
  }

  showPreset() {
    const name = this.spec?.model?.preset ?? null;
    const preset = this.presets.find((candidate) => candidate.name === name);
    this.presetGroup.hidden = !preset;
    if ((preset?.name ?? null) === (this.shownPreset ?? null)) return;
    this.shownPreset = preset?.name ?? null;
    this.presetControls = preset
      ? presetFields(preset).map((field) =>
          control(field, (value) => this.applyField(field, value)),
        )
      : [];
    replace(
      this.presetFields,
      this.presetControls.map(({ element }) => element),
    );
  }

  mark(faults) {
    this.text.mark(faults);
    for (const { field, showFault } of [...this.controls, ...this.presetControls]) {
      const match = faults.find(
        ({ pointer }) => pointer === field.pointer || pointer.startsWith(`${field.pointer}/`),
      );
      showFault(match ? match.detail : null);
    }
  }

  async send(event) {
    event.preventDefault();
    if (this.submit.getAttribute("aria-disabled") === "true") return;
    const { error } = parse(this.text.text());
    if (error !== null) return this.showFault(`The spec is not valid JSON: ${error.message}.`);
    this.submit.setAttribute("aria-disabled", "true");
    this.fault.hidden = true;
    try {
      const job = await post("/jobs", this.text.text(), {
        headers: { "Idempotency-Key": this.idempotencyKey() },
      });
      announce("Job queued.");
      go(`/ui/jobs/${job.id}`);
    } catch (failure) {
      if (!isAborted(failure)) this.failed(failure);
    } finally {
      this.submit.removeAttribute("aria-disabled");
    }
  }

  /** One key per text: a resubmission after a lost response creates no second job. */
  idempotencyKey() {
    const text = this.text.text();
    if (this.submission.text !== text)
      this.submission = { text, key: `${Date.now()}-${Math.random().toString(36).slice(2)}` };
    return this.submission.key;
  }

  failed(error) {
    if (error instanceof ApiError && error.faults.length > 0) {
      this.mark(error.faults);
      this.text.select(error.faults[0]);
    }
    this.showFault(error.message);
  }

  showFault(text) {
    setText(this.fault, text);
    this.fault.hidden = false;
    alertUser(text);
  }
}
