import { describe, expect, it } from 'vitest';
import { nextPage } from '../../../src/registry/next-page.ts';
import { expectFailure } from '../../support/matchers.ts';

const URL_OF_PAGE = 'https://r.io:5000/v2/app/referrers/sha256:00';

describe('the address of the next page', () => {
  it.each([
    ['</v2/app/referrers/sha256:00?last=5>; rel="next"', `${URL_OF_PAGE}?last=5`],
    ['<?last=5>;rel=next', `${URL_OF_PAGE}?last=5`],
    ['<https://r.io:5000/x>; REL = "Next"', 'https://r.io:5000/x'],
    ['<//r.io:5000/x>; rel=next', 'https://r.io:5000/x'],
    ['</x#part>; rel=next', 'https://r.io:5000/x'],
    ['</first>; rel="first", </x>; title="a, b; c"; rel="last next"', 'https://r.io:5000/x'],
    ['</x> ; a ; b = c ; rel="next" ,', 'https://r.io:5000/x'],
  ])('is read from %s', (link, expected) => {
    expect(nextPage(URL_OF_PAGE, [link])).toBe(expected);
  });

  it.each([[[]], [['']], [['</x>']], [['</x>; rel="prev"', '</y>; rel=first']]])('is absent in %j', (links) => {
    expect(nextPage(URL_OF_PAGE, links)).toBeUndefined();
  });

  it('keeps the parameter with which a mirror finds the registry', () => {
    const url = 'https://mirror/v2/app/referrers/sha256:00?ns=r.io';
    expect(nextPage(url, ['</v2/app/referrers/sha256:00?last=5>; rel=next'])).toBe(
      'https://mirror/v2/app/referrers/sha256:00?last=5&ns=r.io',
    );
    expect(nextPage(url, ['</x?ns=r.io>; rel=next'])).toBe('https://mirror/x?ns=r.io');
  });

  it.each([
    '<https://evil.example/v2/app/referrers/sha256:00>; rel="next"',
    '<https://r.io/v2/x>; rel="next"',
    '<http://r.io:5000/v2/x>; rel="next"',
    '<//evil.example/x>; rel="next"',
    '<\\\\evil.example/x>; rel="next"',
    '<https://user:password@r.io:5000/x>; rel="next"',
    '<file:///etc/passwd>; rel="next"',
    '<https://>; rel="next"',
    '</x>; rel="next", </y>; rel="next"',
    'rel="next"',
    '</x>; rel="next',
    '</x>; rel="next"; <',
  ])('is refused in %s', async (link) => {
    await expectFailure('HTTP_RESPONSE_INVALID', () => nextPage(URL_OF_PAGE, [link]));
  });

  it('is looked for in linear time', async () => {
    const parameters = '; a =  b'.repeat(20_000);
    expect(nextPage(URL_OF_PAGE, [`</x>${parameters}`])).toBeUndefined();
    await expectFailure('HTTP_RESPONSE_INVALID', () => nextPage(URL_OF_PAGE, [`</x>${parameters} !`]));
    await expectFailure('HTTP_RESPONSE_INVALID', () => nextPage(URL_OF_PAGE, [`</x>${'; '.repeat(50_000)}`]));
  });
});
