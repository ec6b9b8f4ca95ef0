// The component: one object for each interface that the world in ../wit/actions.wit exports.
import { write } from "ostro:host/log@0.1.0";

export const greetings = {
  greet(name, excited) {
    if (name.trim() === "") {
      // What is thrown is the action's error.
      throw "there is nobody to greet: the name is empty";
    }
    write("info", `greeting ${name}`);
    return `hello ${name}${excited ? "!" : ""}`;
  },
};

export const checks = {
  namesAreUnique(names) {
    const twice = new Set(names.filter((name, index) => names.indexOf(name) !== index));
    return {
      outcome: twice.size > 0 ? "failed" : "passed",
      summary: `${twice.size} of ${names.length} names are there more than once`,
      findings: [...twice].map((subject) => ({
        subject,
        message: "it is there more than once",
        hint: "rename one",
      })),
    };
  },
};
