/* Search: pages that answer a visitor come before notebooks, notebooks before tables and lists of names */
const FIRST = [["docs/howto/", 12], ["docs/faq", 12], ["docs/glossary", 10], ["papers/", 8], ["index", 6], ["docs/api", -6], ["CLAIMS", -6], ["CONTRIBUTING", -8]];
var Scorer = {
  score: ([docname, , , , score]) => score + (FIRST.find(([start]) => docname.startsWith(start)) || ["", 0])[1],
  objNameMatch: 11, objPartialMatch: 6, objPrio: {0: 15, 1: 5, 2: -5}, objPrioDefault: 0,
  title: 15, partialTitle: 7, term: 5, partialTerm: 2,
};
