import { describe, expect, it } from 'vitest';
import { complaint, folder, ofEdit, ofFile, ofOverride } from './complaint.js';

describe('files', () => {
  it('that are not there', () => {
    expect(complaint({ file: 'nowhere.yaml' })).toMatchInlineSnapshot(`
      "nowhere.yaml: there is no such file (ERR_DSRL_CONFIG_FILE)
        check the path, or name a recipe: libero_spatial_dsrl_openpi, libero_spatial_small, tabletop, tabletop_rlinf"
    `);
    expect(complaint({ file: folder }).replaceAll(folder, 'FOLDER')).toMatchInlineSnapshot(`
      "FOLDER is not a file (ERR_DSRL_CONFIG_FILE)
        name the YAML file itself"
    `);
    expect(complaint({ recipe: 'tabeltop' })).toMatchInlineSnapshot(`
      "there is no recipe \`tabeltop\` (ERR_DSRL_CONFIG_UNKNOWN_RECIPE)
        did you mean tabletop? (\`dsrl-native config ls\` lists them.)"
    `);
    expect(complaint({ recipe: 'unheard' })).toMatchInlineSnapshot(`
      "there is no recipe \`unheard\` (ERR_DSRL_CONFIG_UNKNOWN_RECIPE)
        recipes: libero_spatial_dsrl_openpi, libero_spatial_small, tabletop, tabletop_rlinf (\`dsrl-native config ls\` lists them.)"
    `);
    expect(complaint({})).toMatchInlineSnapshot(`
      "a configuration comes from a recipe or from a file (ERR_DSRL_CONFIG_SOURCE)
        name one of them: \`tabletop\`, or \`-c my.yaml\`"
    `);
    expect(complaint({ recipe: 'tabletop', file: 'a.yaml' })).toContain('ERR_DSRL_CONFIG_SOURCE');
  });

  it('that are not YAML', () => {
    expect(ofFile('a: [1, 2\nb: 3\n')).toMatchInlineSnapshot(`
      "a.yaml:2:1: not valid YAML: Flow sequence in block collection must be sufficiently indented and end with a ] (ERR_DSRL_CONFIG_SYNTAX)
        mend a.yaml:2:1; nested keys are indented by spaces, and texts with special characters quoted"
    `);
    expect(ofFile('a: 1\n b: 2\n')).toMatchInlineSnapshot(`
      "a.yaml:1:4: not valid YAML: Nested mappings are not allowed in compact mappings (ERR_DSRL_CONFIG_SYNTAX)
        mend a.yaml:1:4; nested keys are indented by spaces, and texts with special characters quoted"
    `);
    expect(ofFile('a: 1\na: 2\n')).toMatchInlineSnapshot(`
      "a.yaml:2:1: not valid YAML: Map keys must be unique (ERR_DSRL_CONFIG_SYNTAX)
        mend a.yaml:2:1; nested keys are indented by spaces, and texts with special characters quoted"
    `);
    expect(ofFile('- a\n- b\n')).toMatchInlineSnapshot(`
      "a.yaml:1:1: not valid YAML: a configuration is a block of \`key: value\` lines (ERR_DSRL_CONFIG_SYNTAX)
        mend a.yaml:1:1; nested keys are indented by spaces, and texts with special characters quoted"
    `);
    expect(ofFile('just text')).toMatchInlineSnapshot(`
      "a.yaml:1:1: not valid YAML: a configuration is a block of \`key: value\` lines (ERR_DSRL_CONFIG_SYNTAX)
        mend a.yaml:1:1; nested keys are indented by spaces, and texts with special characters quoted"
    `);
    expect(ofFile('a: *nowhere\n')).toMatchInlineSnapshot(`
      "a.yaml:1:4: not valid YAML: the alias *nowhere has no anchor before it (ERR_DSRL_CONFIG_SYNTAX)
        mend a.yaml:1:4; nested keys are indented by spaces, and texts with special characters quoted"
    `);
    expect(ofFile('a: 1\n---\nb: 2\n')).toMatchInlineSnapshot(`
      "a.yaml:2:1: not valid YAML: \`---\` begins a second document (ERR_DSRL_CONFIG_SYNTAX)
        mend a.yaml:2:1; nested keys are indented by spaces, and texts with special characters quoted"
    `);
    expect(ofFile('a: !!python/object:os.system {}\n')).toMatchInlineSnapshot(`
      "a.yaml:1:4: not valid YAML: Unresolved tag: tag:yaml.org,2002:python/object:os.system (ERR_DSRL_CONFIG_SYNTAX)
        mend a.yaml:1:4; nested keys are indented by spaces, and texts with special characters quoted"
    `);
  });

  it('that would grow without bound', () => {
    const levels = Array.from({ length: 30 }, (_, i) => `l${i + 1}: &l${i + 1} [*l${i}, *l${i}]`);
    expect(ofFile(`l0: &l0 [x, x]\n${levels.join('\n')}\n`)).toContain('more than 50000 values');
    expect(ofFile('['.repeat(100_000))).toContain('nested too deeply');
    expect(ofFile(`a: ${'x'.repeat(2 ** 20)}`)).toContain('a configuration has at most');
    expect(ofFile('a: &a {b: *a}\n')).toContain('has no anchor before it');
    const doubled = Array.from({ length: 40 }, (_, i) => `  l${i + 1}: "\${.l${i}}\${.l${i}}"`);
    const texts = ofEdit(`cluster:\n  l0: text\n${doubled.join('\n')}\n`);
    expect(texts).toContain('more than 100000 characters');
    const blocks = Array.from(
      { length: 40 },
      (_, i) => `  b${i + 1}: ["\${..b${i}}", "\${..b${i}}"]`,
    );
    const copies = ofEdit(`cluster:\n  b0: [1, 2]\n${blocks.join('\n')}\n`);
    expect(copies).toContain('more than 50000 values are copied');
    const chain = Array.from({ length: 500 }, (_, i) => `  c${i}: \${.c${i + 1}}`);
    const references = ofEdit(`cluster:\n${chain.join('\n')}\n  c500: 1\n`);
    expect(references).toContain('more than 100 references in a row');
    expect(references).toContain('and 370 more');
    const nested = ofEdit(`cluster: {a: '${'${'.repeat(50_000)}${'}'.repeat(50_000)}'}\n`);
    expect(nested).toContain('more than 100 references in a row');
  });

  it('with bad defaults lists', () => {
    expect(ofFile('defaults: tabletop\n')).toMatchInlineSnapshot(`
      "a.yaml:1:11: defaults: expected a list (ERR_DSRL_CONFIG_DEFAULTS)
        write each entry behind a dash, e.g. \`- env/tabletop@env.train\`"
    `);
    expect(ofFile('defaults:\n  - env/tabeltop@env.train\n')).toMatchInlineSnapshot(`
      "a.yaml:2:5: there is no configuration \`env/tabeltop\` (ERR_DSRL_CONFIG_DEFAULTS)
        choose one of libero_spatial, tabletop"
    `);
    expect(
      ofFile('defaults:\n  - nogroup/x\n').replaceAll(/\(.*configs\)/g, '(FOLDERS)'),
    ).toMatchInlineSnapshot(`
      "a.yaml:2:5: there is no configuration \`nogroup/x\` (ERR_DSRL_CONFIG_DEFAULTS)
        no folder of the search path has nogroup/ (FOLDERS)"
    `);
    expect(ofFile('defaults:\n  - {a: b, c: d}\n')).toMatchInlineSnapshot(`
      "a.yaml:2:5: defaults: an entry is a name or one \`group: name\` (ERR_DSRL_CONFIG_DEFAULTS)
        for example \`- env/tabletop@env.train\`, \`- model@actor.model: pi0\` or \`- _self_\`"
    `);
    expect(ofFile('defaults:\n  - env@env.train: ???\n')).toMatchInlineSnapshot(`
      "a.yaml:2:5: the group \`env@env.train\` has no choice yet (ERR_DSRL_CONFIG_DEFAULTS)
        type \`env@env.train=<one of libero_spatial, tabletop>\`"
    `);
  });
});

describe('overrides', () => {
  it('that are not ones', () => {
    expect(ofOverride('algorithm.gamma')).toMatchInlineSnapshot(`
      "the override \`algorithm.gamma\`: it has no value (ERR_DSRL_CONFIG_OVERRIDE)
        type \`algorithm.gamma=...\`, or \`~algorithm.gamma\` to delete it"
    `);
    expect(ofOverride('gamma 0.9')).toMatchInlineSnapshot(`
      "the override \`gamma 0.9\`: it is not \`key=value\` (ERR_DSRL_CONFIG_OVERRIDE)
        type it as key=value, +key=value or ~key, e.g. \`algorithm.gamma=0.99\`"
    `);
    expect(ofOverride('algorithm.gamma=0.9,0.99')).toMatchInlineSnapshot(`
      "the override \`algorithm.gamma=0.9,0.99\`: several values at once (a sweep) would be several runs (ERR_DSRL_CONFIG_OVERRIDE)
        for a list type [0.9,0.99], for a text with commas quote it: '"0.9,0.99"'"
    `);
    expect(ofOverride('algorithm.gamma=choice(0.9,0.99)')).toMatchInlineSnapshot(`
      "the override \`algorithm.gamma=choice(0.9,0.99)\`: functions such as choice(...) are not supported (ERR_DSRL_CONFIG_OVERRIDE)
        write the value itself, or quote a text with brackets: '"..."'"
    `);
    expect(ofOverride('algorithm.agg_q="mean')).toMatchInlineSnapshot(`
      "the override \`algorithm.agg_q="mean\`: the quote " is not closed (ERR_DSRL_CONFIG_OVERRIDE)
        close it, or put a backslash before a quote that belongs to the text"
    `);
    expect(ofOverride('algorithm.agg_q=[mean')).toMatchInlineSnapshot(`
      "the override \`algorithm.agg_q=[mean\`: expected \`,\` or \`]\`, found the end (ERR_DSRL_CONFIG_OVERRIDE)
        quote a text with special characters: key='"[mean"'"
    `);
    expect(ofOverride('algorithm.agg_q=a=b')).toMatchInlineSnapshot(`
      "the override \`algorithm.agg_q=a=b\`: \`=\` at character 2 is not expected (ERR_DSRL_CONFIG_OVERRIDE)
        quote a text with special characters: key='"a=b"'"
    `);
    expect(ofOverride('env@env.train:env.eval=tabletop')).toMatchInlineSnapshot(`
      "the override \`env@env.train:env.eval=tabletop\`: a package cannot be renamed (\`@from:to\`) (ERR_DSRL_CONFIG_OVERRIDE)
        name the package itself, e.g. \`env@env.eval=...\`"
    `);
  });

  it('that find nothing or too much', () => {
    expect(ofOverride('+algorithm.gamma=0.9')).toMatchInlineSnapshot(`
      "the override \`+algorithm.gamma=0.9\`: \`algorithm.gamma\` is there already (ERR_DSRL_CONFIG_OVERRIDE)
        type \`algorithm.gamma=0.9\` to change it, or \`++algorithm.gamma=0.9\` to have it either way"
    `);
    expect(ofOverride('actor.fsdp_config.x=1')).toMatchInlineSnapshot(`
      "the override \`actor.fsdp_config.x=1\`: there is no key \`actor.fsdp_config.x\` to change (ERR_DSRL_CONFIG_OVERRIDE)
        to add it type \`+actor.fsdp_config.x=1\`"
    `);
    expect(ofOverride('~algorithm.gamma=0.5')).toMatchInlineSnapshot(`
      "the override \`~algorithm.gamma=0.5\`: \`algorithm.gamma\` is 0.998 (ERR_DSRL_CONFIG_OVERRIDE)
        type \`~algorithm.gamma\` to delete it whatever it is"
    `);
    expect(ofOverride('+algorithm.gamma.x=0.9')).toMatchInlineSnapshot(`
      "the override \`+algorithm.gamma.x=0.9\`: \`algorithm.gamma\` holds a value and no keys (ERR_DSRL_CONFIG_OVERRIDE)
        set \`algorithm.gamma\` itself"
    `);
    expect(ofOverride('env=libero_spatial')).toMatchInlineSnapshot(`
      "the override \`env=libero_spatial\`: no entry of the defaults list answers to \`env\` (ERR_DSRL_CONFIG_OVERRIDE)
        did you mean \`env@env.eval=libero_spatial\` or \`env@env.train=libero_spatial\`?"
    `);
    expect(ofOverride('env@env.eval=libero')).toMatchInlineSnapshot(`
      "the override \`env@env.eval=libero\`: there is no configuration \`env/libero\` (ERR_DSRL_CONFIG_DEFAULTS)
        choose one of libero_spatial, tabletop"
    `);
    expect(ofOverride('env@env.evaluation=tabletop')).toMatchInlineSnapshot(`
      "the override \`env@env.evaluation=tabletop\`: no entry of the defaults list answers to \`env@env.evaluation\` (ERR_DSRL_CONFIG_OVERRIDE)
        did you mean \`env@env.eval=tabletop\` or \`env@env.train=tabletop\`?"
    `);
    expect(ofOverride('model@actor.model=pi0')).toMatchInlineSnapshot(`
      "the override \`model@actor.model=pi0\`: no entry of the defaults list answers to \`model@actor.model\` (ERR_DSRL_CONFIG_OVERRIDE)
        to append it type \`+model@actor.model=pi0\`"
    `);
    expect(ofOverride('nogroup@x=pi0')).toMatchInlineSnapshot(`
      "the override \`nogroup@x=pi0\` names a group, but there is no group \`nogroup\` (ERR_DSRL_CONFIG_OVERRIDE)
        the groups are the folders beside the file and those of \`configs/\` in this package"
    `);
    expect(ofOverride('++env@env.eval=tabletop')).toMatchInlineSnapshot(`
      "the override \`++env@env.eval=tabletop\`: a group cannot be forced (ERR_DSRL_CONFIG_OVERRIDE)
        type \`+env@env.eval=tabletop\` to add it, \`env@env.eval=tabletop\` to exchange it"
    `);
    expect(ofOverride('env@env.eval=3')).toMatchInlineSnapshot(`
      "the override \`env@env.eval=3\`: a group is chosen by the name of one of its files (ERR_DSRL_CONFIG_OVERRIDE)
        type \`env@env.eval=<name>\`, or \`~env@env.eval\` to leave it out"
    `);
    expect(ofOverride('~model@actor.model')).toMatchInlineSnapshot(`
      "the override \`~model@actor.model\`: no entry of the defaults list answers to it (ERR_DSRL_CONFIG_OVERRIDE)
        leave it out"
    `);
  });
});

describe('interpolations', () => {
  it('that lead nowhere', () => {
    expect(ofOverride(`seed=\${algorithm.gama}`)).toMatchInlineSnapshot(`
      "the override \`seed=\${algorithm.gama}\`: seed: \${algorithm.gama} names a key that is not there (algorithm.gama) (ERR_DSRL_CONFIG_INTERPOLATION)
        did you mean \`algorithm.gamma\`?"
    `);
    expect(
      ofOverride(`algorithm.gamma=\${algorithm.tau}`, `algorithm.tau=\${algorithm.gamma}`),
    ).toMatchInlineSnapshot(`
      "the override \`algorithm.gamma=\${algorithm.tau}\`: algorithm.gamma: \${algorithm.tau} leads back to itself (ERR_DSRL_CONFIG_INTERPOLATION)
        give one key of the circle a value"
    `);
    expect(ofEdit(`actor: \${actor}\n`)).toMatchInlineSnapshot(`
      "a.yaml: 2 problems
        configs/tabletop.yaml:57:17: rollout.model.model_path: \${actor} leads back to itself
          give one key of the circle a value
        a.yaml:2:8: actor: \${actor} leads back to itself
          give one key of the circle a value (ERR_DSRL_CONFIG_INTERPOLATION)
        then check again with: dsrl-native config validate a.yaml"
    `);
    expect(ofEdit(`seed: \${oc.env:DSRL_TEST_UNSET}\n`)).toMatchInlineSnapshot(`
      "a.yaml:2:7: seed: the environment variable DSRL_TEST_UNSET is not set (ERR_DSRL_CONFIG_INTERPOLATION)
        type \`export DSRL_TEST_UNSET=...\`, or give a default: \${oc.env:DSRL_TEST_UNSET,default}"
    `);
    expect(ofEdit(`seed: \${hydra:job.num}\n`)).toMatchInlineSnapshot(`
      "a.yaml:2:7: seed: the resolver \`hydra\` is not known (ERR_DSRL_CONFIG_INTERPOLATION)
        known are oc.env, oc.decode, oc.select and now"
    `);
    expect(ofEdit(`seed: \${now:%j}\n`)).toMatchInlineSnapshot(`
      "a.yaml:2:7: seed: \${now:...}: %j is not known (ERR_DSRL_CONFIG_INTERPOLATION)
        use %Y %m %d %H %M %S"
    `);
    expect(ofEdit(`seed: "\${unclosed"\n`)).toMatchInlineSnapshot(`
      "a.yaml:2:7: seed: \`\${unclosed\`: the interpolation is not closed (ERR_DSRL_CONFIG_INTERPOLATION)
        end it with \`}\`"
    `);
    expect(ofEdit(`seed: \${.....x}\n`)).toMatchInlineSnapshot(`
      "a.yaml:2:7: seed: \${.....x} climbs above the top (ERR_DSRL_CONFIG_INTERPOLATION)
        use fewer dots"
    `);
    expect(ofEdit(`device: "x\${actor.optim}"\n`)).toMatchInlineSnapshot(`
      "a.yaml:2:9: device: a block or a list cannot stand inside a text (ERR_DSRL_CONFIG_INTERPOLATION)
        name one of its values"
    `);
  });
});
