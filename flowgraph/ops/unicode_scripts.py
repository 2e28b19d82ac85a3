"""Which script (Latin, Greek, Han ...) each code point of Unicode belongs to.

The property Script of the Unicode Character Database, as stretches of code points of one script:
their lengths (3 bytes each) and then the scripts (1 byte each), compressed.  Scripts have the
numbers that ISO 15924 software gives them (ICU's UScriptCode); 0 is Common, 1 Inherited, and 103
means that the code point is not assigned.

Read next: strings_unicode.py and re2.py, which look here.
"""

from __future__ import annotations

import base64
import zlib
from functools import cache
from typing import Any

import numpy as np

#: Names of scripts in regular expressions, by number.
NAMES = (
    "Common", "Inherited", "Arabic", "Armenian", "Bengali", "Bopomofo", "Cherokee", "Coptic",
    "Cyrillic", "Deseret", "Devanagari", "Ethiopic", "Georgian", "Gothic", "Greek", "Gujarati",
    "Gurmukhi", "Han", "Hangul", "Hebrew", "Hiragana", "Kannada", "Katakana", "Khmer", "Lao",
    "Latin", "Malayalam", "Mongolian", "Myanmar", "Ogham", "Old_Italic", "Oriya", "Runic",
    "Sinhala", "Syriac", "Tamil", "Telugu", "Thaana", "Thai", "Tibetan", "Canadian_Aboriginal",
    "Yi",
)  # fmt: skip

_STRETCHES = (
    "c-o~{>vL6C6<_<@bMHO(B)Lg$!VNbGH#amSkOw4`kN~AXtDr+CK&enlr^Ae`OAAsesnf@_b?DUEk=k0vwq|^wR%~@f>x"
    "){g79Ab`0y}={2S5A4PwE#P*ZJ+cPS(i-nCbj3JNvA&_gZVO*IoyreMG%P1&mvW98o*QJW&rO1Ig(AKr{lP`~sqGqH{z"
    "c7UV$jb7v+_-=_0!jC+X6L>)xWV&j`24r9I*qu(+^6cP1-p{Uma(GGJ54les^V2rV{7xOb1*X!b2l=&nC32~QFHe=!s-"
    "jBKGDXgZ6)?i-2qhGU*=m->R$KqZ+b%aO%tAbKAb_hW)nKdD{IDO^RyftHog1%kCGsupq&Uv#wr%Z~*FEa0hq5P|oano"
    "}CUZ2>k$?2<h71W9?MYCo#J6N994mm8yEwe)fq64)<dYsUx;goaE961NALh!M>f@}z_!GboUxsUk{JVu5dLc>5QsgYyQ"
    "ODi#nvxi;Is%TOsHF5w}mfOu{?t`I2qb{XaFj;FH>QqE3v|!8?;W1W=iLG{Ogh>2v$lBKD-C9HG!GgS@6!Zu_swEje2K"
    "o>lM|7T+m!h6pWL-k~TUkOMYpN{+ecV{7XoPyoCNm$r=1MPmhoRh#u>m9aGI$IW94Gh!GF@IB#MlC!ZK{6@;>SC;8#c6"
    "F^LcTfnx&wlP1TadiO^4g=NK%oA4C-1W*E1cVk`5y+Fx`S$E#i~k~uw5zslO9B`d&!RFg6&omg-Om`q^%UZQP?5TVS1("
    "ymD~37x&3f#yi0M{diOnnJc*<l$xS-zm+YH2d~r+}T{2IK8^)i019!=h3pt@ARGuP_EM$E9)+qcbSS>Qo{=6xYl{6_DQ"
    "$5VSNMXHVERdIgw}Ehp`hui1HP@it3Hn$Xx>0dG&}qd`2(XEqZ6o!wAKdQeajKMOl-sq)~n2qlh>P&-!w40tbH|k7<QW"
    "ZCHbdQ0*M5E01MswNUQSd0tcXKCPS$WO^&+K8E*VazsykH_;nZyPD9C{5N3|z5rG;kUmLn90_#_D<j<CpTdG^O}9~4*o"
    "UhR=2@)VkFgb$2Cj9dm8V6sK(@>&J=VhxXv<O3u(74=c2qy#5v5t2j!T>}W@0Q<CWp1h!1l4%p=1wUP0^rKxwCltAi|)"
    "Cx4zfvH6h`a-TT7rb4mEQ)1Y*~)H2ylv{4Vzk<Is;G##A!*E4_4)TM^$30w4HnovXKmRTUZc2hgVdhxY_(rbjK&4UkYa"
    "qbg(O{XPDtar%dpwE{HOfIMsr!-G}i#UW`IXvdIkk(BAgb+6hUrcHV^_Ce@4k7Fop#b`Td5N5liYgY%tJn0%p7XeAKho"
    "1xH3k~6Skw&cMGJW6_Uo=*^}=3kSqn|Nv2wHKpx<SCl65LKG<`@B9Q<!Y?~W2e!aJy{+1;fKD_XRDBX<}V?hG1_HjG6a"
    "*;^(iH>~+GYU*KtwDN04Q8D^)1Yfo0z`w38yUmo`ng&ckt9J!VMzHaeemJy%?hU?g+2x)VZGXY-!qH;wmu{pZO>bmd=x"
    "n=~H*K4*dtWBHS6|i9@W4KF8P@jKmW205HHiwaXBRpUf8^~5*Fbw|N!6?PPPrdNyH)i}Q$8{}*G=c|T^wrx47A#`fWKG"
    "lC<0~&xuRC53B4s_&8dd5PZ?ogtu$`F<^nZWq(>_l`UW#EG!N^x!`E-Cv$i&`{@en}`$K9;(fLmlzf0kkrik{xP;h_--"
    "=V<UZ6I5^PiZa})B>@VEU&z8^1CQ_i|8cL18C<$^+G3-&K|0zS(<wOlbkL&@%sqr60QF?zJ=>3J~`~g7o59DC7GPoekP"
    "}xm|h|wbxElF3zQKMZ&ePF22~v^cOhlu6bsr_9tXD?O7th7;eqT&pZ%P48aB>YV4t~+B17*t>614fs(9<}O4hrf=7)K3"
    "5njtT-IqVCOgc@ooo3TtwUVcoDWtn|=<&cr2Kuw!P@A*`)s;D6`w<X#6a7(@>@!mABwp!%9ttZFUA9GE!e_OgT^Sk!hR"
    "a06YLmQ5$tz_WEKt^t{eF0=-F%p|Ywie>pP;4bHJ^ljSIP8*g(OIFe}hkb)cJ89oKI*Y(XE}{tjShisOzS5KL%NMYBSK"
    "PzDvKL^LoY9^n1UgLW}U=*R+Yk5yApp{vauU9n;9E4-#(G3klnGQ`9;@L7nn{r>=wXKdxv&lU$Z>u73vq>kuJX<P+1Cx"
    "%n>{6BNsli#P{#0RaL2uM<$Po&~`MKF-IV;-~m7!FmoDYho8u9P;YuxDMK{fq`q_rt4s6Wvt=V(3`>FDi~%O=CvzgWDz"
    "vN{jCg8Yo&#+kAh(1I&M&dM+IZV<2(WM0DY3XeeAK3Cl%Xx8}IVync<lSS>gCr!NYra&z&szY?SEoFgscV*UC|?ERfN$"
    "t2IMnRU})eCO_H9BoZWyG`bkrjB%D{xmM(&H^40kmY+8w?gV5*X98D|k-J61Zn;3KoaYKl&~jD&R1!+Eh&KtI`6Ndd5;"
    "ba~M{TEYxQ8DS#E0n6Sw36gIi@+D>*w1%`k&^f&l}OQu`C)F&hvSZks#5dmSzBu1h<cI(TH8-PnbLsL_?zrEBx!J3_ug"
    "J!E}6@Kb>%@bG?mE@H9{F=G|Pnc`I+_9}B+3-w_-Iwk%?v=U;k}U*zv4ILRl^@EJb#0t<F<7SDc#9}_&nk37jwKF*In!"
    "3pl>I}%*sE28;T;Me>%|Bm0`eF+}rNBK3u=LMJeRSEEK30_a}Rl)NaxaXG;ekAy|;IiQRf<FF+;Jd)j`DK3j_ngIVfuH"
    "eP`~!ZYi8q0tX7CGxU-C0aRzJWV2L#{b3;cE9i-LnGe#Q3!3$M_7;@1UUcu$6Ex5QSJU*YEz&6rKIq1<%h4dWaqm`(AU"
    "Cf*fX6#Nj-u=%i9BD|aU!=N(*LOTB+5EC_}"
)


@cache
def stretches() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The first code point of each stretch, and its script."""
    data = np.frombuffer(zlib.decompress(base64.b85decode(_STRETCHES)), np.uint8)
    count = len(data) // 4
    high, middle, low = data[: 3 * count].reshape(count, 3).astype(np.int32).T
    lengths = (high << 16) + (middle << 8) + low
    return np.concatenate([[0], np.cumsum(lengths)[:-1]]), data[3 * count :].astype(np.int32)


def script_of(points: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The script of each code point; -1 for what is none."""
    starts, scripts = stretches()
    found = scripts[np.searchsorted(starts, np.clip(points, 0, 0x10FFFF), side="right") - 1]
    return np.where((points < 0) | (points > 0x10FFFF), np.int32(-1), found)
